import assert from "node:assert/strict";
import { join } from "node:path";
import { hasCode } from "../../actors/mod.ts";
import { clientKey, createApiKey } from "./mod.ts";

Deno.test("clientKey() reads a file with one key, and no file of hashes", async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const hashes = join(dir, "keys.json");
    const { key } = await createApiKey(hashes, "a");
    const file = join(dir, "key");
    await Deno.writeTextFile(file, `${key}\n`);
    assert.equal(clientKey(file), key);
    const says = (message: RegExp) => (error: unknown) =>
      hasCode(error, "bad_client_key") && message.test(error.message);
    assert.throws(() => clientKey(hashes), says(/file of hashes/));
    assert.throws(() => clientKey(join(dir, "none")), says(/cannot be read/));
    await Deno.writeTextFile(file, "two keys");
    assert.throws(() => clientKey(file), says(/one key and nothing else/));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
