import assert from "node:assert/strict";
import { hasCode } from "../../actors/system/errors.ts";
import { engineError, reason, refuse } from "./errors.ts";

Deno.test("refuse() throws bad_frame for the first problem, and returns when there is none", () => {
  const problems = [{ message: "one", metadata: { row: 3 } }, { message: "two" }];
  assert.throws(
    () => refuse(problems),
    (e) => hasCode(e, "bad_frame") && e.message === "one" && e.metadata.row === 3,
  );
  refuse([]);
});

Deno.test("reason() gives one line without a final full stop, and an engine error's own words", () => {
  assert.equal(reason(new Error(" cannot open\n  the file. ")), "cannot open the file");
  assert.equal(reason("v1.2 failed"), "v1.2 failed");
  assert.equal(reason(engineError("bad_frame", "no rows.")), "no rows.");
});
