import assert from "node:assert/strict";
import { OrreryError } from "../../actors/mod.ts";
import { describeFailure, UsageError } from "./fail.ts";

Deno.test("describeFailure() gives one line and the exit code", () => {
  const known = new OrreryError({ group: "api", code: "busy", message: "too\n  much" });
  assert.deepEqual(describeFailure(known), { code: 1, line: "error: too much" });
  assert.deepEqual(describeFailure(new UsageError("what")), {
    code: 2,
    line: "error: what (see --help)",
  });
  assert.deepEqual(describeFailure(new TypeError("x")), {
    code: 1,
    line: "error: internal: TypeError: x",
  });
});
