import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { ManualClock } from "../../tests/support/registry_kv_world.ts";
import { eventually } from "../../tests/support/registry_world.ts";
import type { KvHandle } from "./kv_layout.ts";
import { KvStore } from "./kv_store.ts";
import { KEPT_REVISIONS } from "./kv_writer.ts";

const value = Uint8Array.of(1);
const id = () => crypto.randomUUID();

/** A store over a database in memory, whose commits go through `commit`. */
async function memoryStore(
  commit: (next: () => Promise<Deno.KvCommitResult | Deno.KvCommitError>) => Promise<
    Deno.KvCommitResult | Deno.KvCommitError
  > = (next) => next(),
) {
  const kv = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  let commits = 0;
  const handle: KvHandle = {
    get: kv.get.bind(kv),
    getMany: kv.getMany.bind(kv),
    list: kv.list.bind(kv),
    watch: kv.watch.bind(kv),
    close: kv.close.bind(kv),
    atomic() {
      const operation = kv.atomic();
      const next = operation.commit.bind(operation);
      operation.commit = () => {
        commits++;
        return commit(next);
      };
      return operation;
    },
  };
  const store = new KvStore(handle, { alone: true, clock });
  return {
    store,
    clock,
    kv,
    get commits() {
      return commits;
    },
    [Symbol.asyncDispose]: () => store.close(),
  };
}

Deno.test("KvStore.transact() puts what waits into one commit", async () => {
  await using world = await memoryStore();
  const results = await Promise.all(
    Array.from(
      { length: 100 },
      (_, i) => world.store.transact({ id: id(), sets: [{ key: `v/${i}`, value }] }),
    ),
  );
  assert.deepEqual(results.map((r) => r.ok && r.revision), Array.from(results, (_, i) => i + 1));
  assert.equal(world.commits, 1);
  // Later ones in the commit see what earlier ones change.
  const once = { checks: [{ key: "v/x", version: 0 }], sets: [{ key: "v/x", value }] };
  const twice = await Promise.all([1, 2].map(() => world.store.transact({ id: id(), ...once })));
  assert.deepEqual(twice, [
    { ok: true, revision: 101 },
    { ok: false, conflicts: [{ key: "v/x", version: 101 }] },
  ]);
});

Deno.test("KvStore.transact() is not made twice by a commit that arrives late", async () => {
  const late: (() => Promise<unknown>)[] = [];
  await using world = await memoryStore((next) => {
    if (late.length > 0) return next();
    late.push(next); // the first commit is held up on the way
    return Promise.reject(new Error("the line broke"));
  });
  const written = await world.store.transact({ id: id(), sets: [{ key: "v/a", value }] });
  assert.deepEqual(written, { ok: true, revision: 1 });
  await world.store.transact({ id: id(), deletes: ["v/a"] });
  assert.deepEqual(await late[0](), { ok: false });
  assert.equal(await world.store.get("v/a"), undefined);
});

Deno.test("KvStore.transact() says outcome_unknown when nobody answers, and can be asked again", async () => {
  let silent = true;
  await using world = await memoryStore(async (next) => {
    const result = await next();
    return silent ? await new Promise<never>(() => {}) : result;
  });
  const write = { id: id(), sets: [{ key: "v/a", value }] };
  await assert.rejects(
    world.store.transact(write, { deadlineMs: 100 }),
    (e) => hasCode(e, "outcome_unknown") && e.metadata.id === write.id,
  );
  silent = false;
  assert.deepEqual(await world.store.transact(write), { ok: true, revision: 1 });
});

Deno.test("KvStore.transact() says no only when an earlier commit cannot land any more", async () => {
  const late: (() => Promise<unknown>)[] = [];
  await using world = await memoryStore((next) => {
    if (late.length > 0) return next();
    late.push(next); // the first commit is held up on the way
    return new Promise(() => {});
  });
  // Both go into the commit that is held up; the second one needs the first.
  const first = { id: id(), sets: [{ key: "v/a", value }] };
  const second = { id: id(), checks: [{ key: "v/a", version: 1 }], sets: [{ key: "v/b", value }] };
  const unknown = (e: unknown) => hasCode(e, "outcome_unknown");
  await Promise.all(
    [first, second].map((write) =>
      assert.rejects(world.store.transact(write, { deadlineMs: 100 }), unknown)
    ),
  );
  assert.deepEqual(await world.store.transact(second), {
    ok: false,
    conflicts: [{ key: "v/a", version: 0 }],
  });
  assert.deepEqual(await late[0](), { ok: false });
  assert.deepEqual((await world.store.list("")).entries, []);
});

Deno.test("KvStore.watch() throws compacted from a revision whose log is gone", async () => {
  await using world = await memoryStore();
  for (let i = 0; i < KEPT_REVISIONS + 600; i += 200) {
    await Promise.all(
      Array.from(
        { length: 200 },
        () => world.store.transact({ id: id(), sets: [{ key: "v/a", value }] }),
      ),
    );
  }
  const { revision } = await world.store.list("");
  await assert.rejects(async () => {
    for await (const _ of world.store.watch("", { from: 0 }));
  }, (e) => hasCode(e, "compacted"));
  for await (const told of world.store.watch("", { from: revision - 100 })) {
    assert.deepEqual(told.changes.map(({ key, entry }) => [key, entry?.version]), [
      ["v/a", revision],
    ]);
    assert.equal(told.revision, revision);
    break;
  }
  await assert.rejects(
    async () => {
      for await (const _ of world.store.watch("", { from: revision + 5 }));
    },
    (e) => hasCode(e, "compacted"),
    "a revision that never was",
  );
  const count = async (name: string) => {
    let n = 0;
    for await (const _ of world.kv.list({ prefix: ["orrery-registry-1", name] })) n++;
    return n;
  };
  // Old ones are deleted after the commit that no longer needs them.
  await eventually(
    async () => await count("log") === await count("id") && await count("log") < revision,
    "as many write ids as entries of the log, without those that are forgotten",
  );
});

Deno.test("KvStore.revoke() deletes more keys than one commit takes", async () => {
  await using world = await memoryStore();
  const { id: lease } = await world.store.grant(1_000);
  const keys = Array.from({ length: 400 }, (_, i) => `v/${i}`);
  for (let i = 0; i < keys.length; i += 20) {
    const sets = keys.slice(i, i + 20).map((key) => ({ key, value, lease }));
    await world.store.transact({ id: id(), sets });
  }
  const { revision: from } = await world.store.list("");
  await world.store.revoke(lease);
  assert.deepEqual((await world.store.list("")).entries, []);
  const deleted = new Set<string>();
  for await (const { changes } of world.store.watch("", { from })) {
    for (const { key, entry } of changes) if (!entry) deleted.add(key);
    if (deleted.size === keys.length) break;
  }
});

Deno.test("KvStore.get() throws wrong_data for what another program stored there", async () => {
  await using world = await memoryStore();
  await world.kv.set(["orrery-registry-1", "key", "v/a"], { value: "text", version: 1 });
  await assert.rejects(world.store.get("v/a"), (e) => hasCode(e, "wrong_data"));
  await world.kv.set(["orrery-registry-1", "head"], "text");
  await assert.rejects(
    world.store.transact({ id: id(), deletes: ["v/b"] }),
    (e) => hasCode(e, "wrong_data"),
  );
});
