import assert from "node:assert/strict";
import {
  CLUSTER,
  clusterActor,
  type ClusterMemory,
  type ClusterPast,
  type ClusterStatus,
  type Deployment,
  deploymentSchema,
  directoryOf,
  type Member,
  memberActor,
  type MemberDuties,
  type MembersView,
  type PlaceDeployment,
  Simulation,
} from "../mod.ts";
import { FULL_NODES, NO_SOURCES } from "../../tests/support/no_memory.ts";

const NODES = ["n0", "n1", "n2"];
const member = (node: string): Member => ({
  node,
  host: "10.0.0.1",
  port: 1000 + Number(node[1]),
  cores: 1,
  memory_bytes: 1,
});
const deployment = (id: string, nodes: string[], more: Partial<Deployment> = {}): Deployment =>
  deploymentSchema.parse({
    id,
    model: "m",
    source: "n9",
    stages: nodes.map((node, i) => ({ node, first: i, last: i })),
    members: ["n9", ...NODES].map(member),
    ...more,
  });

/** A new coordinator n0 with what the one before, n9, has left, and what the nodes are told. */
function world(past: ClusterPast, { lacks = [] as string[], full = false, least = 3 } = {}) {
  const sim = new Simulation({ seed: 1 });
  const told: string[] = [];
  const written: string[] = [];
  /** Nodes of each placement that was asked for. */
  const placed: string[][] = [];
  const place: PlaceDeployment = (members) => {
    placed.push(members.map(({ node }) => node));
    return { stages: members.map(({ node }, i) => ({ node, first: i, last: i })) };
  };
  const note = (what: string) => Promise.resolve(void written.push(what));
  const memory: ClusterMemory = {
    past,
    planned: ({ stages }) => note(`planned on ${stages.map((s) => s.node)}`),
    serves: (made) => note(`serves ${made?.id.startsWith("d") ? "a new one" : made?.id}`),
    applied: ({ name }) => note(`applied ${name}`),
    deleted: (name) => note(`deleted ${name}`),
    retired: (id) => note(`retired ${id}`),
  };
  const nodes: MembersView = {
    silentMs: () => 0,
    refuses: () => Promise.resolve(false),
    identity: () => undefined,
    isFormer: () => false,
    changed: () => {},
  };
  // Each stage takes all of a node's memory.
  const sources = full ? FULL_NODES : NO_SOURCES;
  const directory = directoryOf((to) => to === CLUSTER ? "n0" : to.split("/")[2]);
  const systems = NODES.map((node) => {
    const say = (what: string) => void told.push(`${node} ${what}`);
    const host: MemberDuties = {
      prepare: ({ id }) => Promise.resolve(say(`prepares ${id.startsWith("d") ? "anew" : id}`)),
      standBy: () => Promise.resolve(),
      loadAhead: ({ id }) => Promise.resolve(say(`loads for ${id}`)),
      adopt: (made) => say(`adopts ${made?.id.startsWith("d") ? "a new one" : made?.id}`),
      release: () => Promise.resolve(),
      retire: (id) => Promise.resolve(say(`retires ${id}`)),
      prove: () => Promise.resolve(),
      activity: () => [],
      holds: () => !lacks.includes(node),
      nodeLost: (other) => say(`loses ${other}`),
    };
    const system = sim.node(node, directory);
    system.register(memberActor, {
      config: {},
      resources: () => ({ host, onPing: () => {}, nodes }),
    });
    return system;
  });
  systems[0].register(clusterActor, {
    config: clusterActor.config.parse({ nodes: least, model: "m", source: "n0" }),
    resources: () => ({ place, memory, nodes, sources }),
  });
  return {
    sim,
    told,
    written,
    placed,
    join: (node: string) =>
      sim.until(systems[NODES.indexOf(node)].ask(CLUSTER, { type: "join", ...member(node) })),
    status: async () =>
      await sim.until(systems[0].ask(CLUSTER, { type: "status" })) as ClusterStatus,
  };
}

Deno.test("clusterActor goes on with the deployment of the coordinator before, without loading", async () => {
  const old = deployment("old", ["n1", "n2"]);
  const { sim, told, written, join, status } = world({
    members: NODES.map(member),
    serving: old,
    others: [deployment("older", ["n1", "n9"])],
  });
  for (const node of NODES) {
    assert.equal((await status()).deployment?.id, "old");
    await join(node);
  }
  await sim.run({ forMs: 500 });
  assert.deepEqual(told.filter((line) => /prepares/.test(line)), []);
  assert.deepEqual(
    told.filter((line) => /adopts/.test(line)).sort(),
    NODES.map((node) => `${node} adopts old`),
  );
  assert.deepEqual(
    told.filter((line) => /retires/.test(line)).sort(),
    NODES.map((node) => `${node} retires older`),
  );
  assert.deepEqual(written, ["serves old", "retired older"]);
  const { deployment: serving, members } = await status();
  assert.deepEqual(serving?.members.map((m) => m.node), NODES);
  assert.deepEqual(members.map((m) => m.node), NODES);
});

Deno.test("clusterActor places layers anew where a node with layers has not come and no other has memory for them, and others go on until then", async () => {
  const { sim, told, written, join, status } = world({
    members: NODES.map(member),
    serving: deployment("old", ["n0", "n1", "n2"]),
    others: [],
  }, { full: true });
  await join("n0");
  await join("n1");
  await sim.run({ forMs: 2_500 });
  assert.deepEqual(told, [], "n2 is waited for");
  await sim.run({ forMs: 1_500 });
  assert.match(told.join("\n"), /n1 loses n2\n/);
  assert.deepEqual(written, [
    "serves undefined",
    "planned on n0,n1",
    "serves a new one",
    "retired old",
  ]);
  assert.deepEqual((await status()).deployment?.stages.map((s) => s.node), ["n0", "n1"]);
});

Deno.test("clusterActor places layers anew where a node has lost those that it should have", async () => {
  const past = { members: NODES.map(member), serving: deployment("old", ["n1", "n2"]), others: [] };
  const { sim, written, join, status } = world(past, { lacks: ["n2"] });
  for (const node of NODES) await join(node);
  await sim.run({ forMs: 500 });
  assert.match(written.join(), /planned on n0,n1,n2/);
  assert.notEqual((await status()).deployment?.id, "old");
});

Deno.test("clusterActor goes on, and places anew beside it, where a drafter is gone or a node is new", async () => {
  const draft = { node: "n9", model: "small", source: "n9" };
  const cases: [string[], Partial<Deployment>, string][] = [
    [NODES, { draft }, "n0,n1,n2"],
    [["n1", "n2"], {}, "n1,n2,n0"], // in the order in which they joined
  ];
  for (const [nodes, more, placed] of cases) {
    const old = deployment("old", ["n1", "n2"], more);
    old.members = old.members.filter((m) => m.node === "n9" || nodes.includes(m.node));
    const past = { members: nodes.map(member), serving: old, others: [] };
    const { sim, written, join } = world(past);
    for (const node of NODES) await join(node);
    await sim.run({ forMs: 1_000 });
    assert.deepEqual(written, [
      "serves old",
      `planned on ${placed}`,
      "serves a new one",
      "retired old",
    ]);
  }
});

Deno.test("clusterActor does not wait for its nodes where the cluster has served before", async () => {
  const past = { members: [member("n1")], others: [deployment("old", ["n9"])] };
  const { sim, join, status } = world(past);
  await join("n0");
  await join("n1");
  await sim.run({ forMs: 500 });
  assert.deepEqual((await status()).deployment?.stages.map((s) => s.node), ["n1", "n0"]);
});

Deno.test("clusterActor waits for its nodes again where all of them were started again", async () => {
  // The leases of the nodes before have lapsed, or not yet; the coordinator itself has one already.
  for (const members of [[], [member("n9")], [member("n0"), member("n9")]]) {
    const { sim, join, status } = world({
      members,
      serving: deployment("old", ["n8", "n9"], { members: [member("n8"), member("n9")] }),
      others: [],
    });
    await join("n0");
    await join("n1");
    await sim.run({ forMs: 5_000 });
    const { deployment: serving, reason } = await status();
    assert.deepEqual([serving, reason], [undefined, "waiting for 3 nodes, 2 joined"]);
    await join("n2");
    await sim.run({ forMs: 500 });
    assert.equal((await status()).deployment?.stages.length, 3);
  }
});

Deno.test("clusterActor places layers anew where its only node was started again", async () => {
  // The lease of its life before has lapsed, or not yet; it has one of its own already.
  for (const members of [[member("n0")], [member("n0"), member("n9")]]) {
    const serving = deployment("old", ["n9"], { members: [member("n9")] });
    const { sim, join, status } = world({ members, serving, others: [] }, { least: 1 });
    await join("n0");
    await sim.run({ forMs: 20_000 });
    assert.deepEqual((await status()).deployment?.stages.map(({ node }) => node), ["n0"]);
  }
});

Deno.test("clusterActor places nothing on nodes of the term before that have not come", async () => {
  const { sim, told, join, placed } = world({
    members: [member("n8"), member("n9")],
    serving: deployment("old", ["n8", "n9"]),
    others: [],
  });
  for (const node of NODES) await join(node);
  await sim.run({ forMs: 4_000 });
  assert.deepEqual(placed, [NODES], "once, on the nodes that are here");
  assert.ok(told.includes("n1 adopts a new one"));
});

Deno.test("clusterActor has backups stand in for the last member that has not come, and does not take it for dead", async () => {
  const plan = { backups: [{ first_layer: 1, last_layer: 1, host: "n0" }] };
  const { sim, told, join, status } = world({
    members: NODES.map(member),
    serving: deployment("old", ["n1", "n2"], { plan }),
    others: [],
  });
  await join("n0");
  await join("n1");
  await sim.run({ forMs: 2_000 });
  const { deployment: repaired, members } = await status();
  assert.deepEqual([repaired?.id, repaired?.revision], ["old", 1]);
  assert.deepEqual(repaired?.stages.map((s) => s.node), ["n1", "n0"]);
  assert.deepEqual(members.map((m) => m.node), NODES);
  await sim.run({ forMs: 3_000 });
  await join("n2");
  await sim.run({ forMs: 1_000 });
  assert.deepEqual(told.filter((line) => /loses/.test(line)), []);
  assert.deepEqual((await status()).deployment?.stages.length, 3, "n2 is given layers again");
});

Deno.test("clusterActor keeps members without layers that come late to it", async () => {
  const { sim, told, join, status } = world({
    members: NODES.map(member),
    serving: deployment("old", ["n0"]),
    others: [],
  });
  await join("n0");
  await sim.run({ forMs: 10_000 });
  assert.deepEqual((await status()).members.map((m) => m.node), NODES);
  assert.deepEqual(told.filter((line) => /loses/.test(line)), []);
});
