import assert from "node:assert/strict";
import { join } from "node:path";
import { runCommand } from "../../tests/support/run_command.ts";

Deno.test("deno task keys list has an empty list where no key was made, and an error for a wrong file", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const keys = (...args: string[]) => runCommand("keys", "files", args);
    const none = await keys("list", "--data", data, "--json");
    assert.deepEqual([none.code, JSON.parse(none.stdout)], [0, []]);
    const named = await keys("list", "--api-key-file", join(data, "other.json"));
    assert.equal(named.code, 1);
    assert.match(named.stderr, /other\.json/);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});
