import assert from "node:assert/strict";
import { SimulatedRegistry, SimulatedServer } from "../../tests/support/simulated_registry.ts";
import { hasCode, type Ownership, Simulation } from "../system/mod.ts";
import {
  Claims,
  Election,
  Fence,
  NodeLease,
  ownerKey,
  type OwnershipLapse,
  type Term,
} from "./mod.ts";

const ADDRESS = "orrery/cluster/main";
const TTL_MS = 1_000;

/** Nodes over one registry; each can be cut off from it. */
function world(seed = 1) {
  const sim = new Simulation({ seed });
  const server = new SimulatedServer(sim.clock);
  /** The next replies to these operations are lost. */
  const lose: { node: string; what: string }[] = [];
  const cut = new Set<string>();
  const registryOf = (node: string) =>
    new SimulatedRegistry(server, {
      request: (arrive) => void (cut.has(node) || sim.clock.after(1, arrive)),
      reply(arrive, what) {
        const i = lose.findIndex((one) => one.node === node && one.what === what);
        if (i >= 0) lose.splice(i, 1);
        else if (!cut.has(node)) sim.clock.after(1, arrive);
      },
    }, sim.clock);
  const node = (name: string) => {
    const registry = registryOf(name);
    const timing = { clock: sim.clock, random: sim.random };
    const lease = new NodeLease({ ...timing, registry, node: name, ttlMs: TTL_MS });
    const terms: (Term | undefined)[] = [];
    const won: { term: Term; signal: AbortSignal; ownership: Ownership }[] = [];
    const election = new Election({
      ...timing,
      registry,
      address: ADDRESS,
      lease,
      candidate: { node: name, host: "127.0.0.1", port: 8421 },
      onTerm: (term) => terms.push(term),
      onElected: (term, signal, ownership) => won.push({ term, signal, ownership }),
    });
    const claims = new Claims({ ...timing, registry, lease });
    return { name, registry, lease, election, claims, terms, won };
  };
  return { sim, server, lose, cut, node, registryOf };
}

const never = new AbortController().signal;
const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("NodeLease takes a lease of a higher epoch when one lapses, and tells of both", async () => {
  const { sim, cut, server, node } = world();
  const { lease } = node("a");
  const told: string[] = [];
  lease.listen({
    held: ({ id }, epoch) => told.push(`held ${id} ${epoch} at ${Math.round(sim.clock.now())}`),
    lost: (reason) => {
      assert.equal(lease.current, undefined);
      told.push(`lost ${hasCode(reason, "lease_lost")}`);
    },
  });
  lease.start();
  await sim.run({ forMs: 5_000 });
  assert.deepEqual(told, ["held lease-1 1 at 6"]);
  assert.ok(server.get("owners/node/a"));
  cut.add("a");
  await sim.run({ forMs: TTL_MS });
  assert.deepEqual(told.slice(1), ["lost true"]);
  await sim.run({ forMs: 60_000 });
  assert.equal(server.get("owners/node/a"), undefined, "the record vanished with the lease");
  cut.delete("a");
  await sim.run({ forMs: 2_000 });
  assert.match(told[2], /^held lease-\d+ 2 at/);
  assert.equal(told.length, 3);
  await sim.until(lease.close());
  assert.equal(lease.current, undefined);
  assert.equal(server.get("owners/node/a"), undefined);
});

Deno.test("NodeLease.held() waits for a lease, and ends with its signal", async () => {
  const { sim, cut, node } = world();
  const { lease } = node("a");
  cut.add("a");
  lease.start();
  const stop = new AbortController();
  const given = lease.held({ signal: stop.signal });
  const other = lease.held({ signal: never });
  await sim.run({ forMs: 3_000 });
  stop.abort(new Error("enough"));
  await assert.rejects(given, /enough/);
  cut.clear();
  assert.equal((await sim.until(other)).epoch, 1);
  await sim.until(lease.close());
});

Deno.test("Election has one winner, and another within the lease's length when it is cut off", async () => {
  const { sim, cut, node } = world();
  const nodes = ["a", "b", "c"].map(node);
  for (const { lease, election } of nodes) (lease.start(), election.start());
  await sim.run({ forMs: 1_000 });
  const [first] = nodes.filter(({ won }) => won.length > 0);
  assert.equal(nodes.filter(({ won }) => won.length > 0).length, 1);
  assert.deepEqual(nodes.map(({ election }) => election.current?.node), Array(3).fill(first.name));
  assert.ok(first.election.ownership?.certain());
  const cutAt = sim.clock.now();
  let lostAt = 0;
  let next: typeof first | undefined;
  first.won[0].signal.addEventListener("abort", () => {
    lostAt = sim.clock.now();
    next = nodes.find((n) => n !== first && n.won.length > 0);
  });
  cut.add(first.name);
  await sim.run({ forMs: TTL_MS + 100 });
  assert.ok(lostAt > cutAt && next === undefined, "its term ended before another was elected");
  const second = nodes.find((n) => n !== first && n.won.length > 0)!;
  assert.equal(second.won[0].term.epoch, first.won[0].term.epoch + 1);
  assert.equal(first.election.current, undefined);
  assert.equal(first.election.ownership, undefined);
  cut.clear();
  await sim.run({ forMs: 5_000 });
  assert.deepEqual(nodes.map(({ election }) => election.current?.node), Array(3).fill(second.name));
  for (const { lease, election } of nodes) {
    await sim.until(election.close());
    await sim.until(lease.close());
  }
});

Deno.test("Election.resign() leaves the next term to others", async () => {
  const { sim, server, node } = world();
  const [a, b] = ["a", "b"].map(node);
  for (const { lease, election } of [a, b]) {
    lease.start();
    election.start();
    await sim.run({ forMs: 1_000 });
  }
  await sim.until(a.election.resign());
  assert.ok(hasCode(a.won[0].signal.reason, "released"));
  await sim.run({ forMs: 200 });
  assert.equal(b.won.length, 1);
  await sim.run({ forMs: 10_000 });
  assert.equal(a.won.length, 1);
  await sim.until(b.election.close());
  await sim.run({ forMs: 200 });
  assert.equal(a.won.length, 2, "it stands again later");
  assert.deepEqual(a.terms.map((term) => term?.node), ["a", undefined, "b", undefined, "a"]);
  await sim.until(a.election.close());
  assert.equal(server.get("coordinator"), undefined);
  for (const { lease } of [a, b]) await sim.until(lease.close());
});

Deno.test("Election finds by reading whether a write landed whose answer was lost", async () => {
  const { sim, lose, node } = world();
  const a = node("a");
  lose.push({ node: "a", what: "transact" }, { node: "a", what: "transact" });
  a.lease.start(); // the first answer lost is that of the node's record
  a.election.start();
  await sim.run({ forMs: TTL_MS * 3 });
  assert.deepEqual(lose, []);
  assert.deepEqual(a.won.map(({ term }) => term.epoch), [1]);
  await sim.until(a.election.close());
  await sim.until(a.lease.close());
});

Deno.test("Election without a candidate follows, also past compacted changes", async () => {
  const { sim, server, cut, node, registryOf } = world();
  const terms: (string | undefined)[] = [];
  const follower = new Election({
    clock: sim.clock,
    random: sim.random,
    registry: registryOf("f"),
    address: ADDRESS,
    onTerm: (term) => terms.push(term && `${term.node} ${term.epoch}`),
  });
  follower.start();
  const a = node("a");
  a.lease.start();
  a.election.start();
  await sim.run({ forMs: 500 });
  cut.add("f");
  await sim.until(a.election.resign());
  await sim.run({ forMs: 2 * TTL_MS });
  server.compact();
  cut.clear();
  await sim.run({ forMs: 5_000 });
  assert.deepEqual(terms, ["a 1", "a 2"]);
  await sim.until(follower.close());
  await sim.until(a.election.close());
  await sim.until(a.lease.close());
  assert.throws(
    () =>
      new Election({
        ...a,
        clock: sim.clock,
        random: sim.random,
        address: ADDRESS,
        candidate: { node: "z", host: "h", port: 1 },
      }),
    TypeError,
  );
});

Deno.test("Claims.claim() is refused while the owner's lease lives, and lands when it is over", async () => {
  const { sim, cut, node } = world();
  const [a, b] = ["a", "b"].map(node);
  for (const { lease } of [a, b]) lease.start();
  const first = await sim.until(a.claims.claim("g/actor/x", { signal: never }));
  assert.equal(first.epoch, 1);
  const refused = (e: unknown) => hasCode(e, "already_owned") && e.metadata.node === "a";
  await assert.rejects(sim.until(b.claims.claim("g/actor/x", { signal: never })), refused);
  await assert.rejects(sim.until(a.claims.claim("g/actor/x", { signal: never })), refused);
  await sim.until(first.release());
  assert.ok(hasCode(first.signal.reason, "released"));
  const second = await sim.until(b.claims.claim("g/actor/x", { signal: never }));
  assert.equal(second.epoch, 2);
  cut.add("b");
  await sim.run({ forMs: 2 * TTL_MS });
  assert.ok(hasCode(second.signal.reason, "lease_lost") && !second.certain());
  const third = await sim.until(a.claims.claim("g/actor/x", { signal: never }));
  assert.equal(third.epoch, 3);
  for (const { lease } of [a, b]) cut.clear(), await sim.until(lease.close());
});

Deno.test("Claim.write() refuses what a stale owner writes, under a key that nobody reads", async () => {
  const { sim, server, cut, node } = world();
  const [a, b] = ["a", "b"].map(node);
  for (const { lease } of [a, b]) lease.start();
  const old = await sim.until(a.claims.claim("g/actor/x", { signal: never }));
  const write = (claim: typeof old, text: string) =>
    claim.write({
      sets: [{ key: ownerKey("state", claim.address, claim.epoch, "n"), value: bytes(text) }],
    });
  assert.ok((await sim.until(write(old, "one"))).ok);
  cut.add("a");
  await sim.run({ forMs: 2 * TTL_MS });
  await assert.rejects(sim.until(write(old, "late")), (e) => hasCode(e, "fenced"));
  const next = await sim.until(b.claims.claim("g/actor/x", { signal: never }));
  assert.ok((await sim.until(write(next, "two"))).ok);
  cut.clear();
  // What was under way when its sender lost the address: the registry itself refuses it.
  const late = server.transact({
    checks: [{ key: "owners/g/actor/x", version: old.version }],
    sets: [{ key: ownerKey("state", old.address, old.epoch, "n"), value: bytes("late") }],
  });
  assert.deepEqual(late.ok, false);
  assert.deepEqual(server.list("state/").entries.map(({ key }) => key), [
    "state/g/actor/x/0000000000000001/n",
    "state/g/actor/x/0000000000000002/n",
  ]);
  for (const { lease } of [a, b]) await sim.until(lease.close());
});

Deno.test("Claim.write() may be repeated with its id when its answer was lost", async () => {
  const { sim, server, lose, node } = world();
  const { lease, claims } = node("a");
  lease.start();
  const claim = await sim.until(claims.claim("g/actor/x", { signal: never }));
  lose.push({ node: "a", what: "transact" });
  const key = ownerKey("state", claim.address, claim.epoch, "n");
  const write = () =>
    sim.until(claim.write({
      id: "write-0001",
      checks: [{ key, version: 0 }],
      sets: [{ key, value: bytes("one") }],
    }, { deadlineMs: 300 }));
  await assert.rejects(write(), (e) => hasCode(e, "outcome_unknown"));
  assert.deepEqual(await write(), { ok: true, revision: server.get(key)!.version });
  await sim.until(lease.close());
});

Deno.test("Claims.claim() that was given up does not land later", async () => {
  const { sim, server, lose, node } = world();
  const [a, b] = ["a", "b"].map(node);
  for (const { lease } of [a, b]) lease.start();
  await sim.run({ forMs: 100 });
  const stop = new AbortController();
  lose.push({ node: "a", what: "transact" });
  const given = a.claims.claim("g/actor/x", { signal: stop.signal });
  await sim.run({ forMs: 20 });
  assert.deepEqual(lose, []);
  assert.ok(server.get("owners/g/actor/x"), "it landed, and its node does not know");
  stop.abort(new Error("given up"));
  await assert.rejects(given, /given up/);
  await sim.run({ forMs: 100 });
  const next = await sim.until(b.claims.claim("g/actor/x", { signal: never }));
  assert.ok(next.epoch > 1);
  for (const { lease } of [a, b]) await sim.until(lease.close());
});

Deno.test("Fence refuses what moves without an ownership, and never what is bound to its node", async () => {
  const { sim, cut, node } = world();
  const { lease, claims } = node("a");
  const lapses: OwnershipLapse[] = [];
  const fence = new Fence({
    ownershipName: (address) => address.startsWith("g/") ? address : undefined,
    onLapse: (lapse) => lapses.push(lapse),
  });
  const refused = (e: unknown) => hasCode(e, "fenced");
  assert.throws(() => fence.ownershipOf("g/actor/x"), refused);
  lease.start();
  for (const address of ["g/actor/x", "g/actor/y"]) {
    fence.hold(address, await sim.until(claims.claim(address, { signal: never })));
    assert.equal(fence.ownershipOf(address)?.epoch, 1);
  }
  cut.add("a");
  await sim.run({ forMs: 2 * TTL_MS });
  assert.throws(() => fence.ownershipOf("g/actor/x"), refused);
  assert.throws(() => fence.ownershipOf("g/actor/x"), refused);
  assert.equal(fence.ownershipOf("d/generation/a~1"), undefined);
  assert.deepEqual(lapses, [{ name: "g/actor/x", epoch: 1 }, { name: "g/actor/y", epoch: 1 }]);
  cut.clear();
  const again = await sim.until(claims.claim("g/actor/x", { signal: never }));
  fence.hold("g/actor/x", again);
  assert.equal(fence.ownershipOf("g/actor/x")?.epoch, 2);
  await sim.until(again.release());
  assert.throws(() => fence.ownershipOf("g/actor/x"), refused);
  assert.equal(lapses.length, 2, "a release is no lapse");
  await sim.until(lease.close());
});

Deno.test("Fence refuses by the clock where the timer that ends an ownership is late", () => {
  let certain = true;
  const lapses: OwnershipLapse[] = [];
  const fence = new Fence({ ownershipName: () => "x", onLapse: (lapse) => lapses.push(lapse) });
  fence.hold("x", { epoch: 7, signal: never, certain: () => certain });
  assert.equal(fence.ownershipOf("g/actor/x")?.epoch, 7);
  certain = false;
  assert.throws(() => fence.ownershipOf("g/actor/x"), (e) => hasCode(e, "fenced"));
  assert.deepEqual(lapses, [{ name: "x", epoch: 7 }]);
});
