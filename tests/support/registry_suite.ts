/**
 * What every registry must do, whatever keeps its data: the promises of
 * `actors/registry/contract.ts`, each attacked. Run over all back ends.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import {
  hasCode,
  MAX_CHANGES,
  MAX_VALUE_BYTES,
  type Registry,
  type RegistryTransaction,
  testRegistry,
} from "../../actors/mod.ts";
import { leaseTests, watchTests } from "./registry_lease_tests.ts";
import {
  bytes,
  equal,
  eventually,
  increment,
  Mirror,
  PATIENT,
  type RegisterTest,
  type RegistryWorld,
  text,
  vanished,
} from "./registry_world.ts";

/** Registers the suite for one back end; with `ignore`, its tests are shown as left out. */
export function registrySuite(
  name: string,
  make: () => Promise<RegistryWorld>,
  { ignore = false }: { ignore?: boolean } = {},
): void {
  const test: RegisterTest = (what, body) => {
    Deno.test({
      name: `Registry (${name}) ${what}`,
      ignore,
      sanitizeOps: true,
      sanitizeResources: true,
      async fn() {
        await using world = await make();
        await body(world, await world.client());
      },
    });
  };

  leaseTests(test);
  watchTests(test);

  test("passes the self test of a node's start", async (_world, registry) => {
    await testRegistry(registry);
    assert.deepEqual((await registry.list("self-test/")).entries, []);
  });

  test("get() and list() show what was set, by prefix and in order", async (_world, registry) => {
    assert.equal(await registry.get("a/1"), undefined);
    assert.deepEqual((await registry.list("")).entries, []);
    const names = ["b/1", "a/2", "a/10", "a/1", "A/1", "a", "ab", "a/1/x"];
    for (const key of names) await registry.transact({ sets: [{ key, value: bytes(key) }] });
    const keys = async (prefix: string) =>
      (await registry.list(prefix)).entries.map(({ key }) => key);
    assert.deepEqual(await keys(""), [...names].sort());
    assert.deepEqual(await keys("a/1"), ["a/1", "a/1/x", "a/10"]);
    assert.deepEqual(await keys("a/"), ["a/1", "a/1/x", "a/10", "a/2"]);
    assert.deepEqual(await keys("c"), []);
    const entry = await registry.get("a/10");
    assert.equal(text(entry), "a/10");
    assert.equal(entry?.key, "a/10");
    assert.equal(entry?.lease, undefined);
  });

  test(
    "transact() makes all changes or none, and versions are revisions",
    async (world, registry) => {
      const other = await world.client();
      const sets = ["x", "y", "z"].map((key) => ({ key, value: bytes("1") }));
      const first = await registry.transact({ sets });
      assert.ok(first.ok);
      for (const { key } of sets) assert.equal((await other.get(key))?.version, first.revision);
      const second = await other.transact({
        checks: [{ key: "x", version: first.revision }, { key: "w", version: 0 }],
        sets: [{ key: "x", value: bytes("2") }],
        deletes: ["y", "never-there"],
      });
      assert.ok(second.ok && second.revision > first.revision);
      const before = await registry.list("");
      assert.deepEqual(before.entries.map(({ key, version }) => ({ key, version })), [
        { key: "x", version: second.revision },
        { key: "z", version: first.revision },
      ]);
      assert.ok(before.revision >= second.revision);
      // One of three checks fails: nothing happens.
      const third = await registry.transact({
        checks: [
          { key: "x", version: first.revision },
          { key: "y", version: first.revision },
          { key: "z", version: first.revision },
        ],
        sets: [{ key: "z", value: bytes("3") }, { key: "new", value: bytes("3") }],
        deletes: ["x"],
      });
      assert.deepEqual(third, {
        ok: false,
        conflicts: [{ key: "x", version: second.revision }, { key: "y", version: 0 }],
      });
      assert.deepEqual((await other.list("")).entries, before.entries);
    },
  );

  test(
    "transact() lets exactly one of several clients win each version",
    async (world, registry) => {
      const clients = [registry, await world.client(), await world.client(), await world.client()];
      for (let round = 0; round < 5; round++) {
        const version = (await registry.get("owner"))?.version ?? 0;
        const results = await Promise.all(
          clients.map((client, i) =>
            client.transact({
              checks: [{ key: "owner", version }],
              sets: [{ key: "owner", value: bytes(`${round}/${i}`) }],
            })
          ),
        );
        const winners = results.flatMap((result, i) => result.ok ? [{ i, ...result }] : []);
        assert.equal(winners.length, 1, `winners of round ${round}`);
        const [{ i, revision }] = winners;
        const owner = await registry.get("owner");
        assert.equal(text(owner), `${round}/${i}`);
        assert.equal(owner?.version, revision);
        for (const result of results) {
          if (!result.ok) assert.deepEqual(result.conflicts, [{ key: "owner", version: revision }]);
        }
      }
      const refused = await Promise.all(
        clients.map(async (client) => {
          let count = 0;
          for (let i = 0; i < 10; i++) count += await increment(client, "count");
          return count;
        }),
      );
      assert.equal(text(await registry.get("count")), String(clients.length * 10));
      assert.ok(refused.reduce((a, b) => a + b) > 0, "the clients got into each other's way");
    },
  );

  test("list() shows keys that change together as they are together", async (world, registry) => {
    const other = await world.client();
    const accounts = ["account/a", "account/b", "account/c"];
    await registry.transact({ sets: accounts.map((key) => ({ key, value: bytes("10") })) });
    const stop = new AbortController();
    const move = async (client: Registry, from: string, to: string) => {
      while (!stop.signal.aborted) {
        const { entries } = await client.list("account/");
        const of = (key: string) => entries.find((entry) => entry.key === key)!;
        await client.transact({
          checks: [from, to].map((key) => ({ key, version: of(key).version })),
          sets: [
            { key: from, value: bytes(String(Number(text(of(from))) - 1)) },
            { key: to, value: bytes(String(Number(text(of(to))) + 1)) },
          ],
        });
      }
    };
    const moving = Promise.all([
      move(registry, accounts[0], accounts[1]),
      move(other, accounts[1], accounts[2]),
    ]);
    moving.catch(() => {}); // it is thrown below
    for (let i = 0; i < 30; i++) {
      const { entries } = await other.list("account/");
      assert.equal(entries.reduce((sum, entry) => sum + Number(text(entry)), 0), 30);
    }
    stop.abort();
    await moving;
  });

  test("transact() with the id of one that landed changes nothing", async (world, registry) => {
    const id = crypto.randomUUID();
    const set = (value: string) =>
      registry.transact({
        id,
        checks: [{ key: "once", version: 0 }],
        sets: [{ key: "once", value: bytes(value) }],
      });
    world.loseReplies(1);
    const first = await set("1");
    assert.ok(first.ok);
    assert.equal(world.lost, 1);
    assert.deepEqual(await set("1"), first);
    assert.equal((await registry.get("once"))?.version, first.revision);
  });

  test("transact() reads whether it landed when replies are lost", async (world, registry) => {
    const other = await world.client();
    for (let i = 0; i < 6; i++) {
      world.loseReplies(i % 3 === 2 ? 2 : 1);
      await increment(i % 2 ? registry : other, "count");
    }
    assert.equal(text(await registry.get("count")), "6");
    assert.ok(world.lost >= 6, `only ${world.lost} replies were lost`);
    // A write without a condition must not be made twice either: it would overwrite a later one.
    world.loseReplies(1);
    const blind = await registry.transact({ sets: [{ key: "blind", value: bytes("old") }] });
    assert.ok(blind.ok);
    assert.equal((await other.get("blind"))?.version, blind.revision);
  });

  test("transact() is made once however often it is sent again", async (world, registry) => {
    const clients = [registry, await world.client(), await world.client()];
    let unknown = 0;
    /** Sends until somebody says what became of it. Each wait may be too short for an answer. */
    const settled = async (client: Registry, transaction: RegistryTransaction) => {
      for (let deadlineMs = 1;; deadlineMs = Math.min(500, deadlineMs * 2)) {
        try {
          return await client.transact(transaction, { deadlineMs });
        } catch (error) {
          if (hasCode(error, "outcome_unknown")) unknown++;
          else if (!hasCode(error, "unavailable")) throw error;
        }
      }
    };
    const rounds = 8;
    await Promise.all(clients.map(async (client, i) => {
      for (let n = 0; n < rounds;) {
        if (n % 3 === i) world.loseReplies(1);
        const entry = await client.get("count");
        const result = await settled(client, {
          id: crypto.randomUUID(),
          checks: [{ key: "count", version: entry?.version ?? 0 }],
          sets: [
            { key: "count", value: bytes(String(Number(text(entry) ?? 0) + 1)) },
            { key: `by/${i}`, value: bytes(String(n + 1)) },
          ],
        });
        if (result.ok) n++;
      }
    }));
    assert.equal(text(await registry.get("count")), String(clients.length * rounds));
    for (const { value } of (await registry.list("by/")).entries) {
      assert.equal(new TextDecoder().decode(value), String(rounds));
    }
    assert.ok(unknown > 0, "some outcomes were not known at first");
  });

  test("get() gives values of any size and content whole", async (world, registry) => {
    const other = await world.client();
    const mirror = new Mirror(other, "big/");
    await mirror.start();
    const random = crypto.getRandomValues(new Uint8Array(65_536));
    const sizes = [0, 1, 16_383, 16_384, 16_385, 60_000, 60_001, 120_000, 65_536 * 16];
    for (const size of [...sizes, MAX_VALUE_BYTES]) {
      const value = new Uint8Array(size);
      for (let at = 0; at < size; at += random.length) {
        value.set(random.subarray(0, Math.min(random.length, size - at)), at);
      }
      assert.ok((await registry.transact({ sets: [{ key: "big/one", value }] }, PATIENT)).ok);
      const entry = await other.get("big/one", PATIENT);
      assert.equal(entry?.value.byteLength, size);
      assert.ok(Deno.inspect(entry!.value) === Deno.inspect(value) && equal(entry!.value, value));
      const listing = await registry.list("big/", PATIENT);
      assert.ok(equal(listing.entries[0].value, value), "in a listing");
    }
    await mirror.caughtUp();
    await mirror.stop();
    await assert.rejects(
      registry.transact({ sets: [{ key: "big/two", value: new Uint8Array(MAX_VALUE_BYTES + 1) }] }),
      (e) => hasCode(e, "too_large"),
    );
    await registry.transact({ deletes: ["big/one"] });
    assert.equal(await other.get("big/one"), undefined);
  });

  test("get() never mixes two large values that are written at once", async (world, registry) => {
    const clients = [registry, await world.client(), await world.client()];
    const stop = new AbortController();
    const writing = Promise.all(
      clients.slice(1).map(async (client, i) => {
        for (let n = i; !stop.signal.aborted; n += 2) {
          const value = new Uint8Array(150_000 + n).fill(n);
          await client.transact({ sets: [{ key: "mixed", value }] }, PATIENT);
        }
      }),
    );
    writing.catch(() => {}); // it is thrown below
    await eventually(() => registry.get("mixed"), "the first value");
    for (let i = 0; i < 25; i++) {
      const { value } = (await registry.get("mixed", PATIENT))!;
      const n = value.byteLength - 150_000;
      assert.ok(value.every((byte) => byte === (n & 255)), `value ${n} is of one piece`);
    }
    stop.abort();
    await writing;
  });

  test(
    "transact() refuses keys and transactions that no back end could keep",
    async (_world, registry) => {
      const value = bytes("x");
      const keys = ["", "a b", "a!b", "ü", "a\0", "a\n", "x".repeat(257), "a\x7f", "a%2f"];
      for (const key of keys) {
        const invalid = (e: unknown) => hasCode(e, "invalid_key");
        await assert.rejects(registry.transact({ sets: [{ key, value }] }), invalid, key);
        await assert.rejects(registry.get(key), invalid, key);
        if (key !== "") await assert.rejects(registry.list(key), invalid, key);
      }
      const set = (key: string) => ({ key, value });
      const wrong = [
        {},
        { checks: [{ key: "a", version: 0 }] },
        { sets: [set("a"), set("a")] },
        { sets: [set("a")], deletes: ["a"] },
        { checks: [{ key: "a", version: -1 }], sets: [set("a")] },
        { checks: [{ key: "a", version: 1 }, { key: "a", version: 2 }], sets: [set("a")] },
        { sets: [set("a")], id: "short" },
        { sets: Array.from({ length: MAX_CHANGES + 1 }, (_, i) => set(`a${i}`)) },
      ];
      for (const transaction of wrong) {
        await assert.rejects(
          registry.transact(transaction),
          (e) => hasCode(e, "invalid_transaction"),
          JSON.stringify(transaction),
        );
      }
      assert.deepEqual((await registry.list("")).entries, []);
      // Names and sizes at their limits, and names that look like those of the layout within.
      const longest = "k".repeat(256);
      for (const key of [longest, "v/a", "c/a", "head", "..", "/", "//a//", "0"]) {
        assert.ok((await registry.transact({ sets: [{ key, value }] })).ok);
        assert.equal((await registry.get(key))?.key, key);
      }
      const many = Array.from({ length: MAX_CHANGES }, (_, i) => ({
        key: `${"m".repeat(250)}/${i}`,
        value: new Uint8Array(16_384).fill(i),
      }));
      const checks = many.map(({ key }) => ({ key, version: 0 }));
      assert.ok((await registry.transact({ checks, sets: many })).ok, "the largest transaction");
      assert.equal((await registry.list("mmm")).entries.length, MAX_CHANGES);
    },
  );

  test("transact() and watch() end when they are aborted or the registry is closed", async (world) => {
    const registry = await world.client();
    const reason = new Error("no longer wanted");
    const options = { signal: AbortSignal.abort(reason) };
    const same = (e: unknown) => e === reason;
    await assert.rejects(registry.get("a", options), same);
    await assert.rejects(registry.list("a", options), same);
    await assert.rejects(registry.transact({ deletes: ["a"] }, options), same);
    const { revision: from } = await registry.list("");
    const watching = (async () => {
      for await (const _ of registry.watch("a", { from }));
    })();
    const closed = assert.rejects(watching, (e) => hasCode(e, "closed"));
    await sleep(20);
    await registry.close();
    await closed;
    await assert.rejects(registry.get("a"), (e) => hasCode(e, "closed"));
    await assert.rejects(registry.transact({ deletes: ["a"] }), (e) => hasCode(e, "closed"));
  });

  test("restarts with its data, versions, leases and revisions", async (world, registry) => {
    const large = new Uint8Array(200_000).fill(7);
    const lease = await registry.grant(world.shortestLeaseMs * 3);
    const { revision: from } = await registry.list("");
    const written = await registry.transact({
      sets: [
        { key: "kept/small", value: bytes("small") },
        { key: "kept/large", value: large },
        { key: "kept/leased", value: bytes("leased"), lease: lease.id },
      ],
    });
    assert.ok(written.ok);
    await world.restart();
    const after = world.clientsSurvive ? registry : await world.client();
    const { entries, revision } = await after.list("kept/");
    assert.deepEqual(entries.map(({ key, version }) => ({ key, version })), [
      { key: "kept/large", version: written.revision },
      { key: "kept/leased", version: written.revision },
      { key: "kept/small", version: written.revision },
    ]);
    assert.ok(equal(entries[0].value, large));
    assert.ok(revision >= written.revision);
    await after.keepAlive(lease.id);
    for await (const { changes } of after.watch("kept/", { from })) {
      assert.equal(changes.length, 3);
      break;
    }
    const stale = { checks: [{ key: "kept/small", version: 0 }], deletes: ["kept/small"] };
    assert.equal((await after.transact(stale)).ok, false);
    const next = await after.transact({ sets: [{ key: "kept/small", value: bytes("2") }] });
    assert.ok(next.ok && next.revision > revision);
    await world.pass(lease.ttlMs);
    await vanished(world, after, "kept/leased");
  });
}
