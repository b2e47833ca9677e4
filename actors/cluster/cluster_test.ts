import assert from "node:assert/strict";
import { CLUSTER, OrreryError, type PlaceDeployment } from "../mod.ts";
import { clusterWorld, onePerMember } from "../../tests/support/cluster_world.ts";
import { GATHER_MS, REPLAN_MS, Replans } from "./replans.ts";

Deno.test("clusterActor waits for its nodes, prepares all of them, and only then lets them adopt", async () => {
  const { sim, hosts, join, status, serving } = clusterWorld({ nodes: 3 });
  await join(0);
  await join(1);
  await sim.run({ forMs: 500 });
  assert.equal((await status()).deployment, undefined);
  assert.match((await status()).reason, /waiting for 3 nodes, 2 joined/);
  await join(2);
  await sim.run({ forMs: 20 });
  assert.equal(serving("n0"), undefined, "nobody has prepared yet");
  assert.match((await status()).reason, /n0, n1, n2 load their layers/);
  await sim.run({ forMs: 500 });
  for (const [name, host] of hosts) {
    assert.deepEqual(serving(name), ["n0", "n1", "n2"]);
    assert.equal(host.prepared.length, 1);
  }
});

Deno.test("clusterActor.join prepares a later node that computes nothing, since it answers prompts", async () => {
  const { sim, hosts, join, serving } = clusterWorld({
    place: () => ({ stages: [{ node: "n0", first: 0, last: 0 }] }),
  });
  await join(0);
  await sim.run({ forMs: 500 });
  await join(1);
  await sim.run({ forMs: 500 });
  const [first, second] = ["n0", "n1"].map((n) => hosts.get(n)!);
  assert.deepEqual(serving("n1"), ["n0"]);
  assert.deepEqual(second.prepared, [second.adopted.at(-1)!.id]);
  assert.deepEqual(first.prepared, second.prepared, "what served goes on, and is prepared once");
  assert.deepEqual(first.adopted.at(-1)!.members.map((m) => m.node), ["n0", "n1"]);
});

Deno.test("clusterActor.join prepares a node that comes while another hands its layers over", async () => {
  const { sim, systems, hosts, join, status, serving } = clusterWorld({ nodes: 2 });
  await join(0);
  await join(1);
  await sim.run({ forMs: 1_000 });
  assert.deepEqual(serving("n0"), ["n0", "n1"]);
  // Node n0 has loaded what node n1 hands over, and takes five seconds to take it in.
  const host = hosts.get("n0")!;
  host.loadAhead = () => Promise.resolve();
  host.prepareMs = 5_000;
  await sim.until(systems[1].ask(CLUSTER, { type: "leave", node: "n1" }));
  await sim.run({ forMs: 1_000 });
  await join(2);
  assert.deepEqual(serving("n0"), ["n0", "n1"], "not adopted yet");
  host.prepareMs = 50;
  await sim.run({ forMs: 15_000 });
  assert.ok(!serving("n0")!.includes("n1"));
  assert.ok(hosts.get("n2")!.prepared.includes((await status()).deployment!.id));
  assert.equal(hosts.get("n2")!.adopted.at(-1)?.id, (await status()).deployment!.id);
});

Deno.test("clusterActor.join takes in a later node without a break, and lets the old deployment go once its requests are over", async () => {
  const { sim, hosts, join, serving } = clusterWorld();
  await join(0);
  await sim.run({ forMs: 500 });
  const first = hosts.get("n0")!.adopted.at(-1)!;
  const request = Promise.withResolvers<void>();
  hosts.get("n0")!.requests = request.promise;
  await join(1);
  await sim.run({ forMs: 500 });
  assert.deepEqual(serving("n0"), ["n0", "n1"]);
  assert.deepEqual(serving("n1"), ["n0", "n1"]);
  const { adopted, retired } = hosts.get("n0")!;
  const since = adopted.slice(adopted.indexOf(first));
  assert.ok(since.every((d) => d !== undefined), "requests could be answered all the time");
  await sim.run({ forMs: 600_000 });
  assert.deepEqual(retired, [], "a request may run for long");
  request.resolve();
  await sim.run({ forMs: 15_000 });
  assert.deepEqual(retired, [first.id]);
});

Deno.test("clusterActor tells a node again what serves until it takes it in, and never an older deployment", async () => {
  const { sim, hosts, join, serving } = clusterWorld();
  await join(0);
  await sim.run({ forMs: 500 });
  const host = hosts.get("n1")!;
  const adopt = host.adopt.bind(host);
  let refusals = 0;
  host.adopt = (deployment, why) => {
    if (++refusals > 3) return adopt(deployment, why);
    throw new OrreryError({ group: "cluster", code: "busy", message: "try again" });
  };
  await join(1);
  await sim.run({ forMs: 1_000 });
  assert.deepEqual(serving("n0"), ["n0", "n1"]);
  assert.equal(serving("n1"), undefined);
  await join(2);
  await sim.run({ forMs: 20_000 });
  assert.deepEqual(host.adopted.map((d) => d?.stages.length), [3]);
});

Deno.test("clusterActor says what goes on while it places, and what serves goes on serving", async () => {
  const place: PlaceDeployment = async (members, { say }) => {
    say(`measuring ${members.length} nodes`);
    await new Promise<void>((resolve) => simulation.clock.after(5_000, resolve));
    return onePerMember(members);
  };
  const { sim, hosts, join, status, serving } = clusterWorld({ place });
  const simulation = sim;
  await join(0);
  await sim.run({ forMs: 1_000 });
  assert.equal((await status()).deployment, undefined);
  assert.match((await status()).reason, /measuring 1 nodes/);
  assert.match(hosts.get("n0")!.reasons.at(-1)!, /measuring 1 nodes/);
  await sim.run({ forMs: 5_000 });
  assert.deepEqual(serving("n0"), ["n0"]);
  await join(1);
  await sim.run({ forMs: 1_000 });
  assert.deepEqual(serving("n0"), ["n0"]);
  assert.match((await status()).reason, /measuring 2 nodes/);
  await sim.run({ forMs: 6_000 });
  assert.deepEqual(serving("n1"), ["n0", "n1"]);
});

Deno.test("clusterActor uses no placement that was made for nodes that are no longer there", async () => {
  const place: PlaceDeployment = async (members) => {
    await new Promise<void>((resolve) => simulation.clock.after(5_000, resolve));
    return onePerMember(members);
  };
  const { sim, hosts, join, serving } = clusterWorld({ nodes: 2, place });
  const simulation = sim;
  await join(0);
  await join(1);
  await sim.run({ forMs: 1_000 });
  sim.crash("n1");
  await join(2);
  await sim.run({ forMs: 12_000 });
  assert.deepEqual(serving("n0"), ["n0", "n2"]);
  assert.equal(hosts.get("n0")!.prepared.length, 1);
});

Deno.test("clusterActor.replan adopts a new plan over the same stages without loading anything", async () => {
  let version = 0;
  const place: PlaceDeployment = (members) => ({
    ...onePerMember(members),
    plan: { version: ++version },
  });
  const { sim, systems, hosts, join } = clusterWorld({ place });
  await join(0);
  await sim.run({ forMs: 1_000 });
  await sim.until(systems[0].ask(CLUSTER, { type: "replan", why: "a node was measured again" }));
  await sim.run({ forMs: 1_000 });
  const { adopted, prepared } = hosts.get("n0")!;
  assert.deepEqual(adopted.at(-1)!.plan, { version: 2 });
  assert.equal(prepared.length, 1);
});

Deno.test("clusterActor.replan hears a member once in five minutes, and makes one plan a minute for all", async () => {
  let plans = 0;
  const place: PlaceDeployment = (members) => ({
    ...onePerMember(members),
    plan: { version: ++plans },
  });
  const { sim, systems, join } = clusterWorld({
    place,
    nodes: 2,
    identity: (node) => node === "n2" ? "key of n1" : `key of ${node}`,
  });
  for (const i of [0, 1]) await join(i);
  await sim.run({ forMs: 1_000 });
  const made = async (by: number, forMs: number) => {
    const before = plans;
    const ask = systems[by].ask(CLUSTER, { type: "replan", why: "frames take longer" });
    await sim.until(ask, { forMs: 100 });
    await sim.run({ forMs });
    return plans - before;
  };
  assert.equal(await made(2, 1_000), 0, "no member");
  assert.equal(await made(1, 1_000), 1);
  for (let i = 0; i < 50; i++) assert.equal(await made(1, 1_000), 0);
  await join(2); // the same node in its next life
  await sim.run({ forMs: 1_000 });
  assert.equal(await made(2, 120_000), 0, "a restart is no new turn");
  assert.equal(await made(2, 130_000), 0);
  assert.equal(await made(2, 1_000), 1);
  assert.equal(await made(0, 1_000), 1, "the first node itself is always heard");
});

Deno.test("Replans.ask() gathers what several members ask for within a minute", () => {
  const timers: { at: number; fn: () => void }[] = [];
  let now = 0;
  let plans = 0;
  const after = (ms: number, fn: () => void) => {
    timers.push({ at: now + ms, fn });
    return () => {};
  };
  const replans = new Replans({ now: () => now, after }, () => void plans++);
  for (let member = 0; member < 20; member++) replans.ask(`m${member}`);
  assert.equal(plans, 1);
  assert.deepEqual(timers.map((t) => t.at), [GATHER_MS]);
  now = GATHER_MS;
  timers[0].fn();
  assert.equal(plans, 2);
  now += REPLAN_MS;
  replans.ask("m1");
  assert.deepEqual([plans, timers.length], [3, 1]);
});

Deno.test("clusterActor says why a placement failed, and leaves what serves in place", async () => {
  const { sim, hosts, join, status, serving } = clusterWorld();
  await join(0);
  await sim.run({ forMs: 500 });
  hosts.get("n1")!.refuse = new OrreryError({
    group: "cluster",
    code: "prepare_failed",
    message: "7 MiB are missing",
  });
  await join(1);
  await sim.run({ forMs: 1_000 });
  assert.match((await status()).reason, /placement failed: 7 MiB are missing/);
  assert.deepEqual(serving("n0"), ["n0"]);
});

Deno.test("clusterActor has a node that joins know what serves, where no placement can be made with it", async () => {
  const place: PlaceDeployment = (members) => {
    if (members.length === 1) return onePerMember(members);
    throw new OrreryError({ group: "cluster", code: "manifest_missing", message: "nobody has it" });
  };
  const { sim, hosts, join, status, serving } = clusterWorld({ place });
  await join(0);
  await sim.run({ forMs: 500 });
  await join(1);
  await sim.run({ forMs: 1_000 });
  const { deployment, reason } = await status();
  assert.match(reason, /placement failed: nobody has it/);
  assert.ok(hosts.get("n1")!.prepared.includes(deployment!.id));
  for (const name of ["n0", "n1"]) assert.deepEqual(serving(name), ["n0"]);
  assert.deepEqual(deployment!.members.map(({ node }) => node), ["n0", "n1"]);
});

Deno.test("clusterActor places again after a minute, where nothing serves", async () => {
  const { sim, hosts, join, status, serving } = clusterWorld();
  const host = hosts.get("n0")!;
  host.refuse = new OrreryError({ group: "engine", code: "broken", message: "the disk is full" });
  await join(0);
  await sim.run({ forMs: 1_000 });
  assert.deepEqual((await status()).failed, { group: "engine", code: "broken" });
  host.refuse = undefined; // somebody has made room on it, and no node has come or gone
  await sim.run({ forMs: 30_000 });
  assert.equal(serving("n0"), undefined);
  await sim.run({ forMs: 31_000 });
  assert.deepEqual(serving("n0"), ["n0"]);
  assert.equal((await status()).failed, undefined);
});

Deno.test("clusterActor lets the old deployment make room, where both do not fit side by side", async () => {
  const { sim, hosts, join, status, serving } = clusterWorld();
  await join(0);
  await sim.run({ forMs: 500 });
  const host = hosts.get("n0")!;
  const [old] = host.prepared;
  host.refuse = new OrreryError({
    group: "cluster",
    code: "not_enough_memory",
    message: "7 MiB are missing",
  });
  await join(1);
  await sim.run({ forMs: 200 });
  assert.deepEqual(host.retired.includes(old), true);
  assert.match((await status()).reason, /make room/);
  host.refuse = undefined; // the old stage is gone
  await sim.run({ forMs: 3_000 });
  assert.deepEqual(serving("n0"), ["n0", "n1"]);
});

Deno.test("clusterActor serves on while an earlier deployment has yet to make room", async () => {
  const { sim, hosts, join, serving } = clusterWorld();
  await join(0);
  await sim.run({ forMs: 500 });
  const host = hosts.get("n0")!;
  const request = Promise.withResolvers<void>();
  host.requests = request.promise;
  await join(1);
  await sim.run({ forMs: 500 });
  const [first, second] = host.prepared;
  const { prepare } = host;
  host.prepare = function (deployment) {
    if (this.retired.includes(first)) return prepare.call(this, deployment);
    const message = "7 MiB are missing";
    throw new OrreryError({ group: "cluster", code: "not_enough_memory", message });
  };
  await join(2);
  await sim.run({ forMs: 60_000 });
  assert.deepEqual(serving("n0"), ["n0", "n1"], "a request of the first deployment still runs");
  host.requests = Promise.resolve();
  request.resolve();
  await sim.run({ forMs: 15_000 });
  assert.deepEqual(serving("n0"), ["n0", "n1", "n2"]);
  const since = host.adopted.slice(host.adopted.findIndex((d) => d?.id === second));
  assert.ok(since.every((d) => d !== undefined), "requests could be answered all the time");
});

Deno.test("clusterActor lets go what a failed placement has loaded", async () => {
  const { sim, hosts, join } = clusterWorld();
  await join(0);
  await sim.run({ forMs: 500 });
  hosts.get("n1")!.refuse = new OrreryError({
    group: "model",
    code: "blob_hash",
    message: "changed on the way",
  });
  await join(1);
  await sim.run({ forMs: 1_000 });
  const { prepared, retired } = hosts.get("n0")!;
  assert.equal(prepared.length, 2);
  assert.deepEqual(retired, [prepared[1]]);
});

Deno.test("clusterActor serves again what served before, when room was made in vain", async () => {
  const { sim, hosts, join, status, serving } = clusterWorld();
  await join(0);
  await sim.run({ forMs: 500 });
  hosts.get("n1")!.refuse = new OrreryError({
    group: "cluster",
    code: "not_enough_memory",
    message: "n1 is too small",
  });
  hosts.get("n1")!.prepareMs = 1;
  const place = join(1);
  await place;
  await sim.run({ forMs: 10_000 });
  assert.equal(serving("n0"), undefined);
  hosts.get("n1")!.refuse = undefined;
  hosts.get("n1")!.prepare = (deployment) =>
    deployment.stages.some((s) => s.node === "n1")
      ? Promise.reject(
        new OrreryError({
          group: "cluster",
          code: "not_enough_memory",
          message: "n1 is too small",
        }),
      )
      : Promise.resolve();
  await sim.run({ forMs: 40_000 });
  assert.deepEqual(serving("n0"), ["n0"]);
  assert.match((await status()).reason, /placement failed: n1 is too small/);
});

Deno.test("clusterActor.broken places anew when a member has lost its stages", async () => {
  const { sim, systems, hosts, join, status, serving } = clusterWorld({ nodes: 2 });
  for (const i of [0, 1]) await join(i);
  await sim.run({ forMs: 500 });
  const { id } = (await status()).deployment!;
  const report = () =>
    systems[1].tell(CLUSTER, { type: "broken", deployment: id, why: "no answer" });
  await sim.until(report());
  await sim.run({ forMs: 500 });
  assert.equal((await status()).deployment!.id, id, "all have their stages, and nothing lasts");
  hosts.get("n1")!.retired.push(id);
  await sim.until(report());
  await sim.run({ forMs: 1_000 });
  const after = (await status()).deployment!;
  assert.notEqual(after.id, id, "the same placement, loaded anew");
  assert.deepEqual(serving("n0"), ["n0", "n1"]);
  assert.ok(hosts.get("n0")!.retired.includes(id), "the broken deployment was let go");
  await sim.until(report());
  await sim.run({ forMs: 1_000 });
  assert.equal((await status()).deployment!.id, after.id, "a late report changes nothing");
});

Deno.test("clusterActor.broken believes a node that reports on and on, once in five minutes, and all once a minute", async () => {
  const { sim, systems, join, status } = clusterWorld({ nodes: 3 });
  for (const i of [0, 1, 2]) await join(i);
  await sim.run({ forMs: 500 });
  /** The deployments that serve while these nodes report for so many seconds. */
  const reported = async (by: number[], seconds: number) => {
    const ids = new Set<string>();
    for (let s = 0; s < seconds; s += 2) {
      const deployment = (await status()).deployment!.id;
      ids.add(deployment);
      for (const i of by) {
        await sim.until(systems[i].tell(CLUSTER, { type: "broken", deployment, why: "no answer" }));
      }
      await sim.run({ forMs: 2_000 });
    }
    return ids.size - 1;
  };
  assert.equal(await reported([1], 290), 1, "one node alone");
  assert.equal(await reported([1, 2], 50), 1, "another one, and the first one's next turn is due");
  assert.equal(await reported([1, 2], 200), 1, "the first one's next turn");
  assert.equal(
    await reported([0], 130),
    3,
    "the first node itself is held back by the minute alone",
  );
});

Deno.test("clusterActor.broken believes that a member has lost its stages three times in five minutes", async () => {
  const { sim, systems, hosts, join, status } = clusterWorld({ nodes: 2 });
  for (const i of [0, 1]) await join(i);
  await sim.run({ forMs: 500 });
  hosts.get("n1")!.holds = () => false;
  const ids = new Set<string>();
  for (let s = 0; s < 50; s++) {
    const deployment = (await status()).deployment!.id;
    ids.add(deployment);
    // Too seldom to count as proof by itself.
    await sim.until(systems[1].tell(CLUSTER, { type: "broken", deployment, why: "no answer" }));
    if (s % 2 === 1) await sim.run({ forMs: 2_000 });
    else await sim.run({ forMs: 1_000 });
  }
  assert.equal(ids.size, 5, "the first one, three of its losses, and one for reports that go on");
});
