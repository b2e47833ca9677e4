import assert from "node:assert/strict";
import { join } from "node:path";
import { ApiKeys, createApiKey, revokeApiKey } from "./mod.ts";

/** Keys of a new file with one key, and a clock that the test moves. */
async function withKeys(
  run: (world: { keys: ApiKeys; file: string; key: string; id: string; tick(): void }) => unknown,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const file = join(dir, "keys.json");
    const { key, record } = await createApiKey(file, "first");
    let now = 0;
    const keys = new ApiKeys(file, { now: () => now });
    await run({ keys, file, key, id: record.id, tick: () => now += 1_000 });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("ApiKeys.check() accepts a key of the file, and its own", () =>
  withKeys(({ keys, key, id }) => {
    assert.deepEqual(keys.check(`Bearer ${key}`), { state: "accepted", id, name: "first" });
    assert.deepEqual(keys.check(`bearer  ${key} `), { state: "accepted", id, name: "first" });
    assert.equal(keys.check(`Bearer ${keys.own}`).state, "accepted");
    assert.equal(keys.size, 1);
  }));

Deno.test("ApiKeys.check() tells missing, malformed and wrong keys apart", () =>
  withKeys(({ keys, key, id }) => {
    assert.deepEqual(keys.check(undefined), { state: "missing" });
    for (const header of ["", "Bearer", "Bearer ", key, `Basic ${key}`, `Bearer ${key} x`]) {
      assert.deepEqual(keys.check(header), { state: "malformed" }, header);
    }
    const last = key.at(-1) === "A" ? "B" : "A";
    for (const near of [key.slice(0, -1) + last, keys.own.slice(0, -1) + "!"]) {
      assert.equal(keys.check(`Bearer ${near}`).state, "wrong", near);
    }
    assert.deepEqual(keys.check(`Bearer ${key.slice(0, -1)}${last}`), { state: "wrong", id });
    const foreign = `orrery_${id === "12345678" ? "87654321" : "12345678"}_${key.slice(-43)}`;
    assert.deepEqual(keys.check(`Bearer ${foreign}`), { state: "wrong" });
    assert.deepEqual(keys.check("Bearer sk-anything"), { state: "wrong" });
  }));

Deno.test("ApiKeys.check() sees a new key and a revoked one without a restart", () =>
  withKeys(async ({ keys, file, key, id, tick }) => {
    const second = await createApiKey(file, "second");
    await revokeApiKey(file, id);
    tick();
    assert.equal(keys.check(`Bearer ${key}`).state, "wrong");
    assert.equal(keys.check(`Bearer ${second.key}`).state, "accepted");
  }));

Deno.test("ApiKeys.check() lets nobody in while the file cannot be read", () =>
  withKeys(async ({ keys, file, key, tick }) => {
    const text = await Deno.readTextFile(file);
    await Deno.writeTextFile(file, "{");
    tick();
    assert.equal(keys.check(`Bearer ${key}`).state, "unreadable");
    await Deno.remove(file);
    tick();
    assert.equal(keys.check(`Bearer ${key}`).state, "unreadable");
    await Deno.writeTextFile(file, text);
    tick();
    assert.equal(keys.check(`Bearer ${key}`).state, "accepted");
  }));
