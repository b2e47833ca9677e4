import assert from "node:assert/strict";
import { hasCode, Simulation } from "../system/mod.ts";
import type { Registry } from "./contract.ts";
import { leaseLost } from "./errors.ts";
import { holdLease } from "./hold_lease.ts";

/** A registry that grants one lease, and does with renewals what a test says. */
function leases(keepAlive: () => Promise<void>): Registry & { revoked: string[] } {
  const revoked: string[] = [];
  return {
    revoked,
    grant: (ttlMs: number) => Promise.resolve({ id: "lease-1", ttlMs }),
    keepAlive,
    revoke: (lease: string) => Promise.resolve(void revoked.push(lease)),
  } as unknown as Registry & { revoked: string[] };
}

Deno.test("holdLease() renews three times in the lease's length until it is released", async () => {
  const world = new Simulation({ seed: 1 });
  let renewals = 0;
  const registry = leases(() => Promise.resolve(void renewals++));
  const lease = await holdLease(registry, { ttlMs: 900, clock: world.clock });
  await world.run({ forMs: 9_000 });
  assert.equal(lease.signal.aborted, false);
  assert.ok(renewals >= 29 && renewals <= 30, `${renewals} renewals`);
  assert.ok(lease.remainingMs() >= 580);
  await lease.release();
  assert.deepEqual(registry.revoked, ["lease-1"]);
  assert.ok(lease.signal.aborted);
  assert.equal(lease.remainingMs(), 0);
  await world.run({ forMs: 9_000 });
  assert.ok(renewals <= 30, "no renewal after the release");
});

Deno.test("holdLease() is lost 98 % of its length after the last renewal that succeeded was sent", async () => {
  const world = new Simulation({ seed: 1 });
  let sent = 0;
  let lastGood = 0;
  const registry = leases(async () => {
    const at = world.clock.now();
    if (sent++ >= 2) return await new Promise<never>(() => {}); // the line is cut
    lastGood = at;
    // The answer is slow: it must not make the lease seem longer.
    await new Promise<void>((resolve) => world.clock.after(200, resolve));
  });
  const lease = await holdLease(registry, { ttlMs: 900, clock: world.clock });
  let lostAt = 0;
  lease.signal.addEventListener("abort", () => lostAt = world.clock.now());
  await world.run({ forMs: 5_000 });
  assert.equal(lostAt, lastGood + 882);
  assert.ok(hasCode(lease.signal.reason, "lease_lost"));
});

Deno.test("holdLease() goes on where answers take more than half of the lease's length", async () => {
  const world = new Simulation({ seed: 1 });
  const registry = leases(() =>
    new Promise<void>((resolve) => world.clock.after(500 * world.random(), () => resolve()))
  );
  const lease = await holdLease(registry, { ttlMs: 900, clock: world.clock });
  await world.run({ forMs: 90_000 });
  assert.equal(lease.signal.aborted, false);
  await lease.release();
});

Deno.test("holdLease() sends four renewals before it gives up, whether they fail or are not answered", async () => {
  const passing = () => Promise.reject(new Error("refused"));
  for (const answer of [passing, () => new Promise<never>(() => {})]) {
    const world = new Simulation({ seed: 1 });
    const sent: number[] = [];
    const lease = await holdLease(
      leases(() => {
        sent.push(world.clock.now());
        return sent.length % 4 === 0 ? Promise.resolve() : answer();
      }),
      { ttlMs: 900, clock: world.clock },
    );
    await world.run({ forMs: 760 });
    assert.deepEqual(sent, [300, 450, 600, 750], "the last one succeeds");
    await world.run({ forMs: 9_000 });
    assert.equal(lease.signal.aborted, false);
    await lease.release();
  }
});

Deno.test("holdLease() is lost at once when the registry says so, and outlives other failures", async () => {
  const world = new Simulation({ seed: 1 });
  let n = 0;
  const registry = leases(() =>
    Promise.reject(++n < 2 ? new Error("a passing failure") : leaseLost("lease-1"))
  );
  const lease = await holdLease(registry, { ttlMs: 900, clock: world.clock });
  await world.run({ forMs: 350 });
  assert.equal(lease.signal.aborted, false);
  await world.run({ forMs: 300 });
  assert.ok(hasCode(lease.signal.reason, "lease_lost"));
  assert.equal(n, 2);
});

Deno.test("holdLease() is lost by the clock, even where its timer is late", async () => {
  const world = new Simulation({ seed: 1 });
  let ahead = 0;
  // A process that stood still: time went on, and no timer has fired yet.
  const clock = { now: () => world.clock.now() + ahead, after: world.clock.after };
  const lease = await holdLease(leases(() => Promise.resolve()), { ttlMs: 900, clock });
  ahead = 881;
  assert.ok(lease.remainingMs() > 0);
  ahead = 882;
  assert.equal(lease.remainingMs(), 0);
  assert.ok(hasCode(lease.signal.reason, "lease_lost"));
  ahead = 0;
  await world.run({ forMs: 400 });
  assert.equal(lease.remainingMs(), 0, "a renewal does not bring it back");
});

Deno.test("holdLease() gives up with its signal's reason", async () => {
  const world = new Simulation({ seed: 1 });
  const silent = {
    grant: (_: number, { signal }: { signal: AbortSignal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  } as unknown as Registry;
  const stop = new AbortController();
  const lease = holdLease(silent, { ttlMs: 900, clock: world.clock, signal: stop.signal });
  stop.abort(new Error("stopping"));
  await assert.rejects(lease, /stopping/);
});
