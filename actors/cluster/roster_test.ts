import assert from "node:assert/strict";
import { CLUSTER, hasCode } from "../mod.ts";
import { clusterWorld } from "../../tests/support/cluster_world.ts";

Deno.test("clusterActor keeps no deployment for a node that is gone", async () => {
  const { sim, hosts, join } = clusterWorld();
  for (const i of [0, 1]) await join(i);
  await sim.run({ forMs: 500 });
  const { adopted, retired } = hosts.get("n0")!;
  const before = adopted.at(-1)!;
  hosts.get("n1")!.requests = new Promise(() => {});
  await join(2);
  await sim.run({ forMs: 5_000 });
  assert.deepEqual(adopted.at(-1)!.members.length, 3);
  assert.equal(retired.includes(before.id), false);
  sim.crash("n1");
  await sim.run({ forMs: 5_000 });
  assert.equal(retired.includes(before.id), true);
});

Deno.test("clusterActor keeps a member that answers late, but does answer", async () => {
  const { sim, hosts, join, status } = clusterWorld();
  for (const i of [0, 1]) await join(i);
  hosts.get("n1")!.pingMs = 4_000;
  await sim.run({ forMs: 60_000 });
  assert.equal((await status()).members.length, 2);
  assert.deepEqual(hosts.get("n0")!.lost, []);
  hosts.get("n1")!.pingMs = 1e9;
  await sim.run({ forMs: 20_000 });
  assert.equal((await status()).members.length, 1);
});

Deno.test("clusterActor.leave lets a node serve until the others have taken over, and tells it when it may go", async () => {
  const { sim, systems, hosts, join, serving } = clusterWorld();
  for (const i of [0, 1]) await join(i);
  await sim.run({ forMs: 500 });
  const before = hosts.get("n1")!.adopted.at(-1)!;
  await sim.until(systems[1].ask(CLUSTER, { type: "leave", node: "n1" }));
  await sim.run({ forMs: 500 });
  assert.deepEqual(serving("n0"), ["n0"]);
  assert.ok(hosts.get("n0")!.adopted.slice(2).every((d) => d !== undefined));
  await sim.run({ forMs: 5_000 });
  assert.deepEqual(hosts.get("n1")!.retired.includes(before.id), true);
});

Deno.test("clusterActor.leave waits for a node whose requests end late, before anybody frees what they use", async () => {
  const { sim, systems, hosts, join } = clusterWorld();
  for (const i of [0, 1]) await join(i);
  await sim.run({ forMs: 500 });
  const leaving = hosts.get("n1")!;
  const before = leaving.adopted.at(-1)!;
  const request = Promise.withResolvers<void>();
  leaving.requests = request.promise;
  await sim.until(systems[1].ask(CLUSTER, { type: "leave", node: "n1" }));
  await sim.run({ forMs: 15_000 }); // an answer may take 10 s
  const retired = () => [...hosts.values()].map((host) => host.retired.includes(before.id));
  assert.deepEqual(retired(), [false, false, false]);
  request.resolve();
  await sim.run({ forMs: 15_000 });
  assert.deepEqual(retired().slice(0, 2), [true, true]);
});

Deno.test("clusterActor.leave waits no longer for a node that says goodbye, or is silent for 40 seconds", async () => {
  for (const silent of [false, true]) {
    const { sim, systems, hosts, join } = clusterWorld();
    for (const i of [0, 1]) await join(i);
    await sim.run({ forMs: 500 });
    const [{ retired, adopted }, leaving] = [hosts.get("n0")!, hosts.get("n1")!];
    const before = adopted.at(-1)!;
    leaving.requests = new Promise(() => {});
    await sim.until(systems[1].ask(CLUSTER, { type: "leave", node: "n1" }));
    await sim.run({ forMs: 5_000 });
    if (!silent) sim.crash("n1");
    await sim.run({ forMs: 5_000 });
    assert.equal(retired.includes(before.id), !silent);
    await sim.run({ forMs: 45_000 });
    assert.equal(retired.includes(before.id), true);
  }
});

Deno.test("clusterActor.leave tells a node which leaves during a repair that others have its layers", async () => {
  const { sim, systems, hosts, join, status, serving } = clusterWorld({ nodes: 3 });
  for (const i of [0, 1, 2]) await join(i);
  await sim.run({ forMs: 1_000 });
  const { id } = (await status()).deployment!;
  hosts.get("n0")!.prepareMs = 1_000;
  sim.crash("n1");
  await sim.run({ forMs: 500 });
  await sim.until(systems[2].ask(CLUSTER, { type: "leave", node: "n2" }));
  await sim.run({ forMs: 10_000 });
  const { retired } = hosts.get("n2")!;
  assert.deepEqual(retired, [id], "it is told though the revision before was made without it");
  assert.deepEqual(serving("n0"), ["n0"]);
});

Deno.test("clusterActor.lost takes out a dead node: its requests fail at once, the rest is placed anew", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const { sim, hosts, join, serving } = clusterWorld({ nodes: 3, seed, full: true });
    for (const i of [0, 1, 2]) await join(i);
    await sim.run({ forMs: 1_000 });
    sim.crash("n2");
    await sim.run({ forMs: 1_000 });
    assert.deepEqual(hosts.get("n0")!.lost, ["n2"]);
    assert.deepEqual(hosts.get("n1")!.lost, ["n2"]);
    assert.deepEqual(serving("n0"), ["n0", "n1"]);
  }
});

Deno.test("clusterActor.lost has a neighbour take unplanned layers over, and places anew a minute later", async () => {
  const { sim, hosts, join, status, serving } = clusterWorld({ nodes: 3 });
  for (const i of [0, 1, 2]) await join(i);
  await sim.run({ forMs: 1_000 });
  const before = (await status()).deployment!;
  sim.crash("n2");
  await sim.run({ forMs: 1_000 });
  assert.deepEqual(serving("n0"), ["n0", "n1", "n1"]);
  const { deployment } = await status();
  assert.deepEqual([deployment?.id, deployment?.revision], [before.id, 1]);
  assert.deepEqual(hosts.get("n1")!.retired, []);
  await sim.run({ forMs: 61_000 });
  assert.deepEqual(serving("n0"), ["n0", "n1"]);
});

Deno.test("clusterActor.join gives a node that was restarted its unplanned layers back", async () => {
  const identity = (node: string) => node === "n2" ? "n1" : node; // n2 is the next life of n1
  const { sim, join, serving } = clusterWorld({ nodes: 2, identity });
  for (const i of [0, 1]) await join(i);
  await sim.run({ forMs: 1_000 });
  sim.crash("n1");
  await sim.run({ forMs: 1_000 });
  assert.deepEqual(serving("n0"), ["n0", "n0"]);
  await join(2);
  await sim.run({ forMs: 2_000 });
  assert.deepEqual(serving("n0"), ["n0", "n2"]);
});

Deno.test("clusterActor gives a member that was silent its unplanned layers back once it answers again", async () => {
  const { sim, join, status, serving } = clusterWorld({ nodes: 3 });
  for (const i of [0, 1, 2]) await join(i);
  await sim.run({ forMs: 5_000 });
  for (const other of ["n0", "n2"]) sim.network.cut(other, "n1");
  await sim.run({ forMs: 3_000 });
  assert.deepEqual(serving("n0"), ["n0", "n0", "n2"]);
  for (const other of ["n0", "n2"]) sim.network.heal(other, "n1");
  await sim.run({ forMs: 15_000 });
  assert.deepEqual((await status()).members.map((m) => m.node), ["n0", "n1", "n2"]);
  for (const node of ["n0", "n1", "n2"]) assert.deepEqual(serving(node), ["n0", "n1", "n2"]);
});

Deno.test("clusterActor tells the others that a member is dead for which others stood in, and places anew a minute later", async () => {
  const { sim, hosts, join, status, serving } = clusterWorld({ nodes: 3 });
  for (const i of [0, 1, 2]) await join(i);
  await sim.run({ forMs: 5_000 });
  for (const other of ["n0", "n2"]) sim.network.cut(other, "n1");
  await sim.run({ forMs: 25_000 });
  assert.deepEqual((await status()).members.map((m) => m.node), ["n0", "n2"]);
  for (const node of ["n0", "n2"]) {
    const { members } = hosts.get(node)!.adopted.at(-1)!;
    assert.deepEqual(members.map((m) => m.node), ["n0", "n2"], `what ${node} knows`);
    assert.deepEqual(serving(node), ["n0", "n0", "n2"], "the repaired deployment goes on");
  }
  await sim.run({ forMs: 60_000 });
  assert.deepEqual(serving("n0"), ["n0", "n2"], "layers are placed anew");
});

Deno.test("clusterActor takes out a node behind a cut link after the silence, not before", async () => {
  const { sim, join, status, serving } = clusterWorld();
  for (const i of [0, 1]) await join(i);
  await sim.run({ forMs: 1_000 });
  sim.network.cut("n0", "n1");
  await sim.run({ forMs: 5_000 });
  assert.equal((await status()).members.length, 2);
  await sim.run({ forMs: 15_000 });
  assert.deepEqual((await status()).members.map((m) => m.node), ["n0"]);
  assert.deepEqual(serving("n0"), ["n0", "n0"]);
});

Deno.test("clusterActor is not held up for long by a node that dies while it loads", async () => {
  const { sim, hosts, join, serving } = clusterWorld({ nodes: 2 });
  hosts.get("n1")!.prepareMs = 1e9;
  await join(0);
  await join(1);
  await sim.run({ forMs: 500 });
  sim.crash("n1");
  await sim.run({ forMs: 2_000 });
  assert.equal(serving("n0"), undefined, "the first placement still waits for its two nodes");
  await join(2);
  await sim.run({ forMs: 2_000 });
  assert.deepEqual(serving("n0"), ["n0", "n2"]);
});

Deno.test("clusterActor.join replaces the former life of a node that was restarted", async () => {
  const { sim, systems, join, status } = clusterWorld();
  for (const i of [0, 1]) await join(i);
  await sim.run({ forMs: 500 });
  const atPlaceOfN1 = { host: "10.0.0.1", port: 1001, cores: 1, memory_bytes: 1 };
  const joins = () => systems[2].ask(CLUSTER, { type: "join", node: "n2", ...atPlaceOfN1 });
  await assert.rejects(sim.until(joins()), (e) => hasCode(e, "address_taken"));
  assert.deepEqual((await status()).members.map((m) => m.node), ["n0", "n1"], "n1 still answers");
  sim.network.cut("n0", "n1"); // it is gone, and the first node has not noticed
  await sim.until(joins());
  await sim.run({ forMs: 3_000 });
  assert.deepEqual((await status()).members.map((m) => m.node), ["n0", "n2"]);
});

Deno.test("clusterActor does not wait for a member that is silent while it loads", async () => {
  const { sim, hosts, join, serving, status } = clusterWorld();
  await join(0);
  await sim.run({ forMs: 500 });
  // It answers neither prepare nor pings, and its link stays up.
  hosts.get("n1")!.prepareMs = 1e9;
  hosts.get("n1")!.pingMs = 1e9;
  await join(1);
  await sim.run({ forMs: 1_000 });
  await join(2);
  await sim.run({ forMs: 20_000 });
  assert.deepEqual((await status()).members.map((m) => m.node), ["n0", "n2"]);
  assert.deepEqual(serving("n0"), ["n0", "n2"]);
});

const joining = (node: string, port: number) => ({
  type: "join",
  node,
  host: "10.0.0.1",
  port,
  cores: 1,
  memory_bytes: 1,
});

Deno.test("clusterActor.join takes a node's new life for the old one at once, wherever it listens", async () => {
  const { sim, systems, join, status } = clusterWorld({
    identity: (node) => node === "n2" ? "key of n1" : `key of ${node}`,
  });
  for (const i of [0, 1]) await join(i);
  await sim.run({ forMs: 500 });
  await sim.until(systems[2].ask(CLUSTER, joining("n2", 4242)), { forMs: 100 });
  assert.deepEqual((await status()).members.map((m) => m.node), ["n0", "n2"]);
});

Deno.test("clusterActor.join refuses what a former life of a node still sends", async () => {
  const { sim, systems, join, status } = clusterWorld({
    identity: (node) => node === "n0" ? node : "one key",
    isFormer: (node) => node === "n1",
  });
  for (const i of [0, 2]) await join(i);
  const late = sim.until(systems[1].ask(CLUSTER, joining("n1", 1001)));
  await assert.rejects(late, (e) => hasCode(e, "superseded"));
  assert.deepEqual((await status()).members.map((m) => m.node), ["n0", "n2"]);
});

Deno.test("clusterActor places nothing on a member that only others reach, until its link is good", async () => {
  const { sim, systems, hosts, join, status, serving, changes } = clusterWorld({ nodes: 3 });
  for (const i of [0, 1, 2]) await join(i);
  await sim.run({ forMs: 10_000 });
  sim.network.cut("n0", "n1");
  await sim.run({ forMs: 5_000 });
  assert.deepEqual(serving("n0"), ["n0", "n1", "n2"], "a short while changes nothing");
  await sim.run({ forMs: 20_000 });
  const { members, health } = await status();
  assert.deepEqual(members.map((m) => m.node), ["n0", "n1", "n2"]);
  assert.deepEqual(health.map((h) => h.state), ["bad_link", "alive"]);
  assert.deepEqual(health[0].link, { from: "n0", to: "n1" });
  assert.deepEqual(serving("n0"), ["n0", "n2"]);
  assert.deepEqual(hosts.get("n2")!.lost, []);
  sim.network.heal("n0", "n1");
  await sim.run({ forMs: 20_000 });
  assert.deepEqual(serving("n1"), ["n0", "n1", "n2"]);
  assert.deepEqual(changes.map((c) => `${c.node} ${c.to}`), [
    "n1 suspect",
    "n1 bad_link",
    "n1 back",
  ]);
  assert.equal(await sim.until(systems[1].ask(CLUSTER, { type: "listed", node: "n1" })), true);
});
