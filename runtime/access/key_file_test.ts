import assert from "node:assert/strict";
import { join } from "node:path";
import { hasCode } from "../../actors/mod.ts";
import { createApiKey, readKeyFile, revokeApiKey } from "./mod.ts";

async function inFolder(run: (file: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await run(join(dir, "data", "api-keys.json"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const refused = (code: string) => (error: unknown) => hasCode(error, code);

Deno.test("createApiKey() keeps a hash alone, in a file that only its owner reads", async () => {
  await inFolder(async (file) => {
    const { key, record } = await createApiKey(file, "laptop of Ann");
    assert.match(key, new RegExp(`^orrery_${record.id}_[A-Za-z0-9_-]{43}$`));
    const text = await Deno.readTextFile(file);
    assert.ok(!text.includes(key.slice(-43)), "the secret stands in the file");
    assert.deepEqual(readKeyFile(file), [record]);
    if (Deno.build.os !== "windows") assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600);
  });
});

Deno.test("createApiKey() loses no key when many are made at once", async () => {
  await inFolder(async (file) => {
    const names = Array.from({ length: 20 }, (_, i) => `key ${i}`);
    await Promise.all(names.map((name) => createApiKey(file, name)));
    assert.deepEqual(readKeyFile(file).map(({ name }) => name).sort(), names.sort());
  });
});

Deno.test("createApiKey() refuses a name that is taken or has other characters", async () => {
  await inFolder(async (file) => {
    await createApiKey(file, "phone");
    await assert.rejects(createApiKey(file, "phone"), refused("key_exists"));
    for (const name of ["", " x", "a\nb", "a".repeat(65), "../x", "\u202ename"]) {
      await assert.rejects(createApiKey(file, name), refused("bad_key_name"), name);
    }
    assert.equal(readKeyFile(file).length, 1);
  });
});

Deno.test("revokeApiKey() removes one key, and says which ids it does not know", async () => {
  await inFolder(async (file) => {
    await assert.rejects(revokeApiKey(file, "00000000"), refused("no_key_file"));
    const [a, b] = [await createApiKey(file, "a"), await createApiKey(file, "b")];
    assert.equal((await revokeApiKey(file, a.record.id)).name, "a");
    assert.deepEqual(readKeyFile(file), [b.record]);
    await assert.rejects(revokeApiKey(file, a.record.id), refused("unknown_key"));
  });
});

Deno.test("readKeyFile() says what is wrong with a file", async () => {
  await inFolder(async (file) => {
    assert.throws(() => readKeyFile(file), refused("no_key_file"));
    await createApiKey(file, "a");
    const good = JSON.parse(await Deno.readTextFile(file));
    const wrong: [unknown, RegExp][] = [
      ["{", /JSON/],
      [[], /the file: /],
      [{ ...good, version: 2 }, /version/],
      [{ ...good, keys: [{ ...good.keys[0], sha256: "00" }] }, /keys\.0\.sha256: .*64 hex/],
      [{ ...good, keys: [{ ...good.keys[0], secret: "x" }] }, /keys\.0/],
    ];
    for (const [content, message] of wrong) {
      await Deno.writeTextFile(
        file,
        typeof content === "string" ? content : JSON.stringify(content),
      );
      assert.throws(() => readKeyFile(file), (error) => {
        assert.ok(hasCode(error, "bad_key_file"));
        assert.match(error.message, message);
        return true;
      });
    }
  });
});
