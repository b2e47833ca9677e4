/**
 * The part of `registry_suite.ts` about leases and watches.
 *
 * @module
 */
import assert from "node:assert/strict";
import { hasCode, type RegistryChanges } from "../../actors/mod.ts";
import { bytes, Mirror, type RegisterTest, text, vanished } from "./registry_world.ts";

/** Leases: keys that vanish with whoever set them. */
export function leaseTests(test: RegisterTest): void {
  test("grant() makes a lease that lapses, and its keys with it", async (world, registry) => {
    const other = await world.client();
    const mirror = new Mirror(other, "members/");
    await mirror.start();
    const lease = await registry.grant(world.shortestLeaseMs);
    assert.ok(lease.ttlMs >= world.shortestLeaseMs);
    const sets = ["members/a", "members/b"].map((key) => ({
      key,
      value: bytes("here"),
      lease: lease.id,
    }));
    assert.ok((await registry.transact({ sets })).ok);
    await registry.transact({ sets: [{ key: "members/c", value: bytes("stays") }] });
    assert.equal((await other.get("members/a"))?.lease, lease.id);
    // A key that is set without the lease belongs to it no more.
    await other.transact({ sets: [{ key: "members/b", value: bytes("stays") }] });
    await world.pass(lease.ttlMs);
    await vanished(world, other, "members/a");
    assert.deepEqual(
      (await registry.list("members/")).entries.map(({ key }) => key),
      ["members/b", "members/c"],
    );
    await mirror.caughtUp();
    await mirror.stop();
    await assert.rejects(registry.keepAlive(lease.id), (e) => hasCode(e, "lease_lost"));
    await assert.rejects(
      registry.transact({ sets: [{ key: "members/a", value: bytes("x"), lease: lease.id }] }),
      (e) => hasCode(e, "lease_lost"),
    );
    await registry.revoke(lease.id); // no error
  });

  test("keepAlive() keeps a lease beyond its length", async (world, registry) => {
    const other = await world.client();
    const lease = await registry.grant(world.shortestLeaseMs * 2);
    const idle = await registry.grant(world.shortestLeaseMs * 2);
    const sets = [lease, idle].map(({ id }, i) => ({
      key: `held/${i}`,
      value: bytes("here"),
      lease: id,
    }));
    await registry.transact({ sets });
    for (let i = 0; i < 5; i++) {
      await world.pass(lease.ttlMs / 4);
      await registry.keepAlive(lease.id);
    }
    await vanished(world, other, "held/1");
    await registry.keepAlive(lease.id);
    assert.ok(await other.get("held/0"), "the renewed lease is held");
    await other.revoke(lease.id);
    assert.equal(await registry.get("held/0"), undefined);
    await assert.rejects(registry.keepAlive(lease.id), (e) => hasCode(e, "lease_lost"));
    await assert.rejects(registry.keepAlive("123"), (e) => hasCode(e, "lease_lost"));
  });
}

/** Watches: each change, once, in order. */
export function watchTests(test: RegisterTest): void {
  test("watch() tells sets and deletes from a revision in the past", async (world, registry) => {
    const other = await world.client();
    const { revision: from } = await registry.list("");
    const write = async (...sets: string[]) => {
      const result = await other.transact({
        sets: sets.map((key) => ({ key, value: bytes(key) })),
      });
      assert.ok(result.ok);
      return result.revision;
    };
    await write("w/1", "w/2");
    await write("elsewhere");
    await other.transact({ deletes: ["w/1"] });
    const last = await write("w/3");
    const told: RegistryChanges[] = [];
    for await (const one of registry.watch("w/", { from })) {
      told.push(one);
      if (one.revision >= last) break;
    }
    const state = new Map(told.flatMap(({ changes }) => changes.map((c) => [c.key, c.entry])));
    assert.deepEqual([...state.keys()].sort(), ["w/1", "w/2", "w/3"]);
    assert.equal(state.get("w/1"), undefined);
    assert.equal(text(state.get("w/2")), "w/2");
    assert.equal(state.get("w/3")?.version, last);
  });

  test("watch() has no gap when it is broken off and resumed", async (world, registry) => {
    const other = await world.client();
    const mirror = new Mirror(registry, "log/");
    await mirror.start();
    const seen = new Set<string>();
    for (let i = 0; i < 40; i++) {
      const sets = [
        { key: `log/${i}`, value: bytes(`entry ${i}`) },
        { key: "log/latest", value: bytes(String(i)) },
      ];
      await other.transact({ sets, deletes: i % 5 === 4 ? [`log/${i - 2}`] : [] });
      if (i % 8 === 7) {
        await mirror.stop();
        mirror.resume();
      }
    }
    await mirror.caughtUp();
    for (const { changes } of mirror.told) for (const { key } of changes) seen.add(key);
    assert.equal(seen.size, 41, "each key was told at least once");
    assert.equal(mirror.entries.size, 41 - 8);
    assert.equal(text(mirror.entries.get("log/latest")), "39");
    await mirror.stop();
  });

  test(
    "watch() ends when its signal aborts, also while nothing happens",
    async (_world, registry) => {
      const { revision: from } = await registry.list("");
      const signal = AbortSignal.timeout(50);
      for await (const _ of registry.watch("quiet/", { from, signal })) {
        assert.fail(
          "told something",
        );
      }
      for await (const _ of registry.watch("quiet/", { from, signal })) {
        assert.fail(
          "told something",
        );
      }
    },
  );
}
