import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { hasCode } from "../../actors/system/errors.ts";
import { ortLibrary } from "./library.ts";

Deno.test("ONNX Runtime's library is there for every machine that it is named for", async () => {
  const machines = [["linux", "x86_64"], ["linux", "aarch64"], ["darwin", "aarch64"], [
    "windows",
    "x86_64",
  ]];
  for (const [os, arch] of machines) {
    assert.ok((await stat(ortLibrary({ os, arch }))).size > 1_000_000);
  }
  assert.throws(
    () => ortLibrary({ os: "freebsd", arch: "x86_64" }),
    (e) => hasCode(e, "engine_failed") && /freebsd on x86_64; use Linux/.test(e.message),
  );
});
