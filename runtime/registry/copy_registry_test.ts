import assert from "node:assert/strict";
import { hasCode, type Registry } from "../../actors/mod.ts";
import { copyRegistry } from "./copy_registry.ts";
import { openEmbeddedRegistry } from "./open_kv.ts";
import { openRegistry } from "./open_registry.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const names = { from: "the old one", to: "managed" };

/** Two embedded registries in a folder; what the first one holds is to be copied. */
async function twoRegistries() {
  const folder = await Deno.makeTempDir({ prefix: "orrery-copy-" });
  const open: Registry[] = [];
  const reopen = async (name: string) => {
    const registry = await openEmbeddedRegistry(`${folder}/${name}.sqlite`);
    open.push(registry);
    return registry;
  };
  return {
    folder,
    source: await reopen("source"),
    target: await reopen("target"),
    async [Symbol.asyncDispose]() {
      for (const registry of open) await registry.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Keys and values of a registry, without the notes of a copy. */
async function contents(registry: Registry): Promise<Record<string, string>> {
  const { entries } = await registry.list("");
  return Object.fromEntries(
    entries.filter(({ key }) => !key.startsWith("moved/"))
      .map(({ key, value }) => [key, new TextDecoder().decode(value)]),
  );
}

/** A registry that fails at the nth transaction, after or before it is made. */
function failing(registry: Registry, nth: number, made: boolean): Registry {
  let count = 0;
  return {
    ...registry,
    get: (...given) => registry.get(...given),
    list: (...given) => registry.list(...given),
    async transact(...given) {
      if (++count !== nth) return await registry.transact(...given);
      if (made) await registry.transact(...given);
      throw new Error("cut");
    },
  };
}

Deno.test("copyRegistry() takes over all keys but those of leases, and marks the source", async () => {
  await using world = await twoRegistries();
  const { source, target } = world;
  const { id: lease } = await source.grant(60_000);
  await source.transact({ sets: [{ key: "coordinator", value: bytes("den"), lease }] });
  const large = "x".repeat(300_000);
  const expected: Record<string, string> = { "large/a": large, "large/b": large };
  for (let i = 0; i < 70; i++) expected[`deployments/${i}`] = `value ${i}`;
  for (const [key, value] of Object.entries(expected)) {
    await source.transact({ sets: [{ key, value: bytes(value) }] });
  }
  assert.equal(await copyRegistry(source, target, names), 72);
  assert.deepEqual(await contents(target), expected);
  // Once more: nothing is copied, also when the source says something else by now.
  await source.transact({ sets: [{ key: "late", value: bytes("1") }] });
  assert.equal(await copyRegistry(source, target, names), 0);
  assert.deepEqual(await contents(target), expected);
});

Deno.test("copyRegistry() goes on where it was interrupted", async () => {
  for (const made of [true, false]) {
    for (let nth = 1; nth <= 4; nth++) {
      await using world = await twoRegistries();
      const { source, target } = world;
      const expected: Record<string, string> = {};
      for (let i = 0; i < 70; i++) expected[`k/${i}`] = `${i}`;
      const sets = Object.entries(expected).map(([key, value]) => ({ key, value: bytes(value) }));
      for (let i = 0; i < 70; i += 32) await source.transact({ sets: sets.slice(i, i + 32) });
      await assert.rejects(copyRegistry(source, failing(target, nth, made), names), /cut/);
      const copied = await copyRegistry(source, target, names);
      assert.equal(copied, Math.max(0, 70 - 32 * (nth - 1 + Number(made))), `${nth} ${made}`);
      assert.deepEqual(await contents(target), expected);
    }
  }
});

Deno.test("copyRegistry() does not mark the source when the target holds something else", async () => {
  await using world = await twoRegistries();
  const { source, target } = world;
  await source.transact({ sets: [{ key: "a", value: bytes("1") }] });
  const deaf: Registry = {
    ...failing(target, 0, false),
    transact: () => Promise.resolve({ ok: true, revision: 1 }),
  };
  await assert.rejects(
    copyRegistry(source, deaf, names),
    (error) => hasCode(error, "copy_differs") && error.message.includes("written to a"),
  );
  assert.equal(await source.get("moved/away"), undefined);
});

Deno.test("openRegistry() refuses an embedded registry that was taken over", async () => {
  await using world = await twoRegistries();
  const data = `${world.folder}/data`;
  const embedded = await openRegistry("embedded", { data });
  await embedded.transact({ sets: [{ key: "a", value: bytes("1") }] });
  await copyRegistry(embedded, world.target, names);
  await embedded.close();
  await assert.rejects(
    openRegistry("embedded", { data }),
    (error) => hasCode(error, "moved") && error.message.includes("--registry managed"),
  );
});
