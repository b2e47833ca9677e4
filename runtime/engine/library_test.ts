import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { hasCode } from "../../actors/system/errors.ts";
import { ortLibrary } from "./library.ts";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

Deno.test("ortLibrary() names a library that is there, for every machine that has one", async () => {
  const { os, arch } = Deno.build;
  assert.ok((await stat(ortLibrary({ os, arch }))).size > 1_000_000);
  const machines = [["linux", "x86_64"], ["linux", "aarch64"], ["darwin", "aarch64"], [
    "windows",
    "x86_64",
  ]];
  for (const [os, arch] of machines) {
    const library = ortLibrary({ os, arch });
    // Its folder is absent after `deno task slim`.
    if (!existsSync(dirname(library))) continue;
    assert.ok((await stat(library)).size > 1_000_000);
  }
  assert.throws(
    () => ortLibrary({ os: "freebsd", arch: "x86_64" }),
    (e) => hasCode(e, "engine_failed") && /freebsd on x86_64; use Linux/.test(e.message),
  );
});

Deno.test("heldLibrary() opens the library once, when first called, without telemetry", async () => {
  const script = `
    const { dlopen } = Deno;
    const opened = [];
    Deno.dlopen = (path, symbols) => {
      opened.push(Deno.env.get("ORT_DISABLE_TELEMETRY"));
      return dlopen(path, symbols);
    };
    await import("${new URL("./mod.ts", import.meta.url)}");
    const { heldLibrary } = await import("${new URL("./library.ts", import.meta.url)}");
    const imported = opened.length;
    const same = heldLibrary() === heldLibrary();
    console.log(JSON.stringify({ imported, opened, same }));`;
  const { stdout, stderr } = await run(script, ["-P=tools"], { ORT_DISABLE_TELEMETRY: "0" });
  assert.deepEqual(JSON.parse(stdout || stderr), { imported: 0, opened: ["1"], same: true });
});

Deno.test("heldLibrary() opens nothing when it may not switch telemetry off", async () => {
  const script = `
    const { heldLibrary } = await import("${new URL("./library.ts", import.meta.url)}");
    Deno.dlopen = () => console.log("opened");
    try {
      heldLibrary();
    } catch ({ group, code, message, metadata }) {
      console.log(JSON.stringify({ group, code, message, metadata }));
    }`;
  const { stdout, stderr } = await run(script, ["--allow-read", "--allow-ffi"]);
  const { message, ...rest } = JSON.parse(stdout || stderr);
  assert.deepEqual(rest, {
    group: "engine",
    code: "engine_failed",
    metadata: { variable: "ORT_DISABLE_TELEMETRY" },
  });
  assert.match(
    message,
    /may not set ORT_DISABLE_TELEMETRY.*run it with --allow-env=ORT_DISABLE_TELEMETRY$/,
  );
});

/** Runs a program in a process of its own. */
async function run(
  script: string,
  permissions: string[],
  env: Record<string, string> = {},
): Promise<{ stdout: string; stderr: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-prompt", "--config", CONFIG, ...permissions, "-"],
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdin = child.stdin.getWriter();
  await stdin.write(new TextEncoder().encode(script));
  await stdin.close();
  const { stdout, stderr } = await child.output();
  return { stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}
