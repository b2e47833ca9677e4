import assert from "node:assert/strict";
import {
  type Adopted,
  type AskedDeployment,
  CLUSTER,
  clusterActor,
  type ClusterMemory,
  type Deployment,
  type DeploymentPlacement,
  deploymentPolicySchema,
  type DeploymentSource,
  type DeploymentSources,
  type DeploymentView,
  directoryOf,
  hasCode,
  memberActor,
  type MemberDuties,
  type NameActivity,
  nameOf,
  OrreryError,
  type PlaceOptions,
  Simulation,
} from "../mod.ts";
import { NO_MEMORY, NO_SOURCES } from "../../tests/support/no_memory.ts";
import { copyKey } from "./copy_name.ts";

/** A node: what it was told, and what its requests are at. */
class FakeNode implements MemberDuties {
  /** What serves here, by the key of the copy. */
  readonly serves = new Map<string, Deployment>();
  /** What sleeps here. */
  readonly asleep = new Set<string>();
  readonly loaded = new Set<string>();
  /** What happened, in its order. */
  readonly log: string[] = [];
  requests: NameActivity[] = [];
  /** Fails what is proved. */
  broken?: string;
  readonly #sim: Simulation;

  constructor(sim: Simulation) {
    this.#sim = sim;
  }

  async prepare({ id }: Deployment): Promise<void> {
    await new Promise<void>((resolve) => this.#sim.clock.after(50, resolve));
    this.loaded.add(id);
  }
  standBy(): Promise<void> {
    return Promise.resolve();
  }
  loadAhead(): Promise<void> {
    return Promise.resolve();
  }
  prove(id: string): Promise<void> {
    this.log.push(`proves ${this.serves.size > 0 ? "beside what serves" : "alone"}`);
    if (this.broken === undefined) return Promise.resolve();
    return Promise.reject(
      new OrreryError({ group: "engine", code: "no_arena", message: `${this.broken} (${id})` }),
    );
  }
  adopt(deployment: Deployment | undefined, _reason: string, told: Adopted): void {
    const key = copyKey(told);
    if (deployment) this.serves.set(key, deployment);
    else this.serves.delete(key);
    if (told.asleep) this.asleep.add(key);
    else this.asleep.delete(key);
    this.log.push(`${key} ${deployment ? deployment.model : told.gone ? "gone" : "none"}`);
  }
  release(): Promise<void> {
    return Promise.resolve();
  }
  retire(id: string): Promise<void> {
    this.loaded.delete(id);
    return Promise.resolve();
  }
  holds(id: string): boolean {
    return this.loaded.has(id);
  }
  activity(): NameActivity[] {
    return this.requests;
  }
  nodeLost(): void {}
}

interface WorldOptions {
  /** Sections `deployment` by name or graph text; the graph text of a deployment is the name of its model. */
  policies?: Record<string, object>;
  memory?: Partial<ClusterMemory>;
}

/** Three nodes; a placement takes one of those with less than two layers' worth of bytes taken. */
function world({ policies = {}, memory = {} }: WorldOptions = {}) {
  const sim = new Simulation({ seed: 1 });
  const directory = directoryOf((to) => to === CLUSTER ? "n0" : to.split("/")[2]);
  const names = ["n0", "n1", "n2"];
  const nodes = names.map(() => new FakeNode(sim));
  /** Bytes that were taken at each placement, by node. */
  const taken: Record<string, number>[] = [];
  const written: string[] = [];
  /** What custom actors did: a graph text that begins with `a` has some. */
  const acted: string[] = [];
  /** Fails the custom actors that begin next. */
  const failing = { actors: "" };
  const place = (members: { node: string }[], { taken: by = new Map() }: PlaceOptions) => {
    taken.push(Object.fromEntries(by));
    const free = members.find(({ node }) => (by.get(node) ?? 0) < 2);
    if (!free) {
      throw new OrreryError({ group: "planner", code: "infeasible", message: "no node has room" });
    }
    return { stages: [{ node: free.node, first: 0, last: 0 }] };
  };
  const bytesAt = ({ stages }: DeploymentPlacement) => new Map(stages.map(({ node }) => [node, 1]));
  const sources: DeploymentSources = {
    main: { ...NO_SOURCES.main, bytesAt },
    open(asked: AskedDeployment): Promise<DeploymentSource> {
      if (asked.graph === "unknown") {
        const message = "no model is called so";
        return Promise.reject(
          new OrreryError({ group: "model", code: "model_not_found", message }),
        );
      }
      return Promise.resolve({
        model: { model: asked.graph.split(" ")[0], source: "n0" },
        policy: deploymentPolicySchema.parse(policies[asked.graph] ?? policies[asked.name] ?? {}),
        concurrent: 1,
        // A text `x @2` is of model x, and differs from `x` in its policy alone.
        content: asked.graph.split(" ")[0],
        asked,
        place,
        bytesAt,
        close() {},
        ...(asked.graph.startsWith("a") && {
          begin() {
            acted.push(`begin ${asked.graph}`);
            if (failing.actors !== asked.graph) return Promise.resolve();
            return Promise.reject(new Error("its module cannot be run"));
          },
          inherit: () => void acted.push(`inherit ${asked.graph}`),
          end: () => void acted.push(`end ${asked.graph}`),
        }),
      });
    },
  };
  const view = {
    silentMs: () => undefined,
    refuses: () => Promise.resolve(false),
    identity: () => undefined,
    isFormer: () => false,
    changed: () => {},
  };
  const systems = names.map((name, i) => {
    const system = sim.node(name, directory);
    system.register(memberActor, {
      config: {},
      resources: () => ({ host: nodes[i], onPing: () => {}, nodes: view }),
    });
    return system;
  });
  const note = (what: string) => Promise.resolve(void written.push(what));
  systems[0].register(clusterActor, {
    config: clusterActor.config.parse({ nodes: 3, model: "m", source: "n0" }),
    resources: () => ({
      place,
      sources,
      nodes: view,
      memory: {
        ...NO_MEMORY,
        serves: (made: Deployment | undefined, of: object) =>
          note(`${copyKey(of)} is ${made?.model}`),
        applied: ({ name, graph }: AskedDeployment) => note(`applied ${name} ${graph}`),
        deleted: (name: string) => note(`deleted ${name}`),
        ...memory,
      },
    }),
  });
  const cluster = systems[0].at(clusterActor, CLUSTER);
  const ask = <T>(asked: Promise<T>) => sim.until(asked);
  return {
    sim,
    nodes,
    taken,
    written,
    acted,
    failing,
    async start() {
      for (const [i, node] of names.entries()) {
        const address = { host: "10.0.0.1", port: 1000 + i, cores: 1, memory_bytes: 1 };
        await ask(cluster.join({ node, ...address }));
      }
      await sim.run({ forMs: 500 });
    },
    apply: async (name: string, graph: string, ms = 500): Promise<DeploymentView> => {
      await ask(cluster.apply({ name, graph, file: "g.yaml" }));
      await sim.run({ forMs: ms });
      return (await ask(cluster.deployments({ name })))[0];
    },
    cluster,
    ask,
    crash: (i: number) => sim.crash(names[i]),
  };
}

/** What a node serves, as text: `default/0 m, chat/0 x`. */
const served = ({ serves }: FakeNode) =>
  [...serves].map(([key, { model }]) => `${key} ${model}`).join(", ");

Deno.test("clusterActor.apply serves a model beside the first one, placed with what that has left", async () => {
  const { start, apply, nodes, taken, written } = world();
  await start();
  const view = await apply("chat", "x");
  assert.deepEqual(nodes.map(served), Array(3).fill("default/0 m, chat/0 x"));
  assert.equal(view.copies[0].state, "serving");
  assert.deepEqual(view.copies[0].stages, [{ node: "n0", first: 0, last: 0 }]);
  assert.deepEqual(taken.at(-1), { n0: 1 });
  const third = await apply("code", "y");
  assert.deepEqual(third.copies[0].stages[0].node, "n1", "n0 is full");
  assert.deepEqual(taken.at(-1), { n0: 2 });
  assert.ok(written.indexOf("applied chat x") < written.indexOf("chat/0 is x"));
});

Deno.test("clusterActor.apply refuses the default name, its model's name and what is not there", async () => {
  const { start, cluster, ask } = world();
  await start();
  const refused = (name: string, graph: string, code: string) =>
    assert.rejects(
      ask(cluster.apply({ name, graph, file: "g" })),
      (error) => hasCode(error, code),
      `${name} ${graph}`,
    );
  await refused("default", "x", "default_deployment");
  await refused("m", "x", "deployment_name_taken");
  await refused("chat", "unknown", "model_not_found");
  await assert.rejects(ask(cluster.delete({ name: "default" })), { code: "default_deployment" });
  await assert.rejects(ask(cluster.delete({ name: "chat" })), { code: "deployment_not_found" });
});

Deno.test("clusterActor.apply rolls a change out beside the old one, which serves until the new one answered", async () => {
  const { start, apply, nodes, written } = world();
  await start();
  await apply("chat", "x");
  const [node] = nodes;
  node.log.length = 0;
  const view = await apply("chat", "x2");
  assert.deepEqual(node.log, ["proves beside what serves", "chat/0 x2"]);
  assert.equal(view.rolling, false);
  assert.equal(view.graph, "x2");
  assert.equal(written.at(-1), "applied chat x2", "the next coordinator goes on with what answers");
  assert.equal(node.loaded.size, 2, "the old one is unloaded");
});

Deno.test("clusterActor.apply rolls back what does not answer, and no node ever serves it", async () => {
  const { start, apply, nodes, written } = world();
  await start();
  await apply("chat", "x");
  for (const node of nodes) {
    node.log.length = 0;
    node.broken = "its weights are broken";
  }
  const view = await apply("chat", "bad");
  assert.match(view.rolled_back ?? "", /its weights are broken/);
  assert.equal(view.graph, "x");
  assert.deepEqual(nodes.map(served), Array(3).fill("default/0 m, chat/0 x"));
  for (const { log } of nodes) assert.ok(!log.some((line) => line.startsWith("chat/0")), `${log}`);
  assert.ok(!written.includes("applied chat bad"));
  for (const node of nodes) node.broken = undefined;
  assert.equal((await apply("chat", "good")).rolled_back, undefined);
});

Deno.test("clusterActor.apply takes over a policy that has changed alone, and plans and loads nothing", async () => {
  const { start, apply, sim, nodes, taken, written, cluster, ask } = world({
    policies: {
      "x short": { keep_warm: 0, idle: 5 },
      "x kept": { keep_warm: 1 },
      "x two": { min: 2 },
    },
  });
  await start();
  const before = (await apply("chat", "x")).copies[0];
  const plans = taken.length;
  for (const { log } of nodes) log.length = 0;
  const view = await apply("chat", "x short");
  assert.deepEqual(view.policy, { min: 1, max: 1, keep_warm: 0, idle: 5, journal: true });
  assert.equal(view.copies[0].id, before.id);
  assert.equal(view.graph, "x short");
  assert.equal(written.at(-1), "applied chat x short", "the next coordinator knows it");
  assert.equal(taken.length, plans);
  assert.deepEqual(nodes.map(({ log }) => log), [[], [], []]);
  await sim.run({ forMs: 8_000 });
  assert.equal((await ask(cluster.deployments({ name: "chat" })))[0].copies[0].state, "asleep");
  // One that is to stay loaded is loaded at once, where it was.
  assert.equal((await apply("chat", "x kept")).copies[0].state, "serving");
  assert.equal(taken.length, plans);
  const two = await apply("chat", "x two");
  assert.deepEqual(two.copies.map(({ state }) => state), ["serving", "serving"]);
  assert.equal(taken.length, plans + 1, "a further copy is planned");
});

Deno.test("clusterActor.apply rolls custom actors out before layers, and back with them", async () => {
  const { start, apply, acted, failing, nodes, cluster, ask } = world({
    policies: { "a2 more": { idle: 9 } },
  });
  await start();
  await apply("chat", "a1");
  assert.deepEqual(acted.splice(0), ["begin a1"]);
  await apply("chat", "a2");
  assert.deepEqual(acted.splice(0), ["begin a2"]);
  // Actors that do not run anywhere: nothing is loaded, and those before go on.
  failing.actors = "a3";
  const loaded = nodes.map((node) => node.loaded.size);
  const failed = await apply("chat", "a3");
  assert.match(failed.rolled_back ?? "", /its module cannot be run/);
  assert.equal(failed.graph, "a2");
  assert.deepEqual(acted.splice(0), ["begin a3", "begin a2"]);
  assert.deepEqual(nodes.map((node) => node.loaded.size), loaded);
  // Layers that do not answer: the actors go back, too.
  for (const node of nodes) node.broken = "its weights are broken";
  assert.match((await apply("chat", "a4")).rolled_back ?? "", /its weights are broken/);
  assert.deepEqual(acted.splice(0), ["begin a4", "begin a2"]);
  for (const node of nodes) node.broken = undefined;
  assert.equal((await apply("chat", "a2")).rolled_back, undefined, "that is what goes on");
  await apply("chat", "a2 more");
  assert.deepEqual(acted.splice(0), ["inherit a2 more"]);
  await ask(cluster.delete({ name: "chat" }));
  assert.deepEqual(acted, ["end a2 more"]);
});

Deno.test("clusterActor.delete unloads a deployment everywhere, and leaves the others alone", async () => {
  const { start, apply, cluster, ask, sim, nodes, written } = world();
  await start();
  await apply("chat", "x");
  await ask(cluster.delete({ name: "chat" }));
  await sim.run({ forMs: 5_000 });
  assert.deepEqual(nodes.map(served), Array(3).fill("default/0 m"));
  for (const { loaded, log } of nodes) {
    assert.equal(loaded.size, 1);
    assert.ok(log.includes("chat/0 gone"));
  }
  assert.equal((await ask(cluster.deployments({}))).length, 1);
  assert.ok(written.includes("deleted chat"));
});

Deno.test("clusterActor has an idle deployment sleep, and wakes it where it was without a new plan", async () => {
  const { start, apply, cluster, ask, sim, nodes, taken } = world({
    policies: { chat: { keep_warm: 0, idle: 20 } },
  });
  await start();
  await apply("chat", "x");
  for (const node of nodes) {
    node.requests = [{ name: "chat", running: 0, waiting: 0, idle_ms: 100 }];
  }
  nodes[1].requests = [{ name: "chat", running: 1, waiting: 0 }];
  await sim.run({ forMs: 40_000 });
  assert.ok(nodes[0].serves.has("chat/0"), "a request runs at another node");
  nodes[1].requests = nodes[0].requests = nodes[2].requests = [];
  await sim.run({ forMs: 25_000 });
  for (const node of nodes) {
    assert.ok(node.asleep.has("chat/0"));
    assert.equal(node.loaded.size, 1, "its layers are unloaded");
  }
  const plans = taken.length;
  await ask(cluster.wake({ name: "chat" }));
  await sim.run({ forMs: 500 });
  const [view] = await ask(cluster.deployments({ name: "chat" }));
  assert.equal(view.copies[0].state, "serving");
  assert.ok(view.copies[0].loaded_ms! < 100, `${view.copies[0].loaded_ms} ms`);
  assert.equal(taken.length, plans);
  assert.deepEqual(nodes.map(served), Array(3).fill("default/0 m, chat/0 x"));
});

Deno.test("clusterActor adds a copy on other nodes while requests are too many, and takes it away again", async () => {
  const { start, apply, sim, nodes, cluster, ask } = world({
    policies: { chat: { min: 1, max: 2, idle: 20 } },
  });
  await start();
  await apply("chat", "x");
  nodes[2].requests = [{ name: "chat", running: 4, waiting: 1 }];
  await sim.run({ forMs: 10_000 });
  let [view] = await ask(cluster.deployments({ name: "chat" }));
  assert.deepEqual(view.copies.map(({ stages }) => stages[0]?.node), ["n0", "n1"]);
  assert.deepEqual(nodes.map(served), Array(3).fill("default/0 m, chat/0 x, chat/1 x"));
  nodes[2].requests = [];
  await sim.run({ forMs: 30_000 });
  [view] = await ask(cluster.deployments({ name: "chat" }));
  assert.equal(view.copies.length, 1);
  for (const { log } of nodes) assert.ok(log.includes("chat/1 gone"));
});

Deno.test("clusterActor goes on with what was applied in the term before, asleep where that is its policy", async () => {
  const applied: AskedDeployment[] = [
    { name: "chat", graph: "x", file: "g", modules: {} },
    { name: "night", graph: "y", file: "g", modules: {} },
    { name: "lost", graph: "unknown", file: "g", modules: {} },
  ];
  const before: Deployment = {
    id: "d9-7",
    name: "chat",
    model: "x",
    source: "n0",
    stages: [{ node: "n1", first: 0, last: 0 }],
    members: ["n0", "n1", "n2"].map((node, i) => ({
      node,
      host: "10.0.0.1",
      port: 1000 + i,
      cores: 1,
      memory_bytes: 1,
    })),
    shape: (await import("../mod.ts")).shapeSchema.parse({}),
  };
  const past = { members: before.members, named: [before], others: [], applied };
  const { start, sim, nodes, cluster, ask } = world({
    policies: { night: { keep_warm: 0 } },
    memory: { past },
  });
  nodes[1].loaded.add("d9-7");
  await start();
  await sim.run({ forMs: 10_000 });
  const views = await ask(cluster.deployments({}));
  assert.deepEqual(views.map(({ name, copies }) => `${name} ${copies[0].state}`), [
    "default serving",
    "chat serving",
    "night asleep",
  ]);
  assert.equal(views[1].copies[0].id, "d9-7", "nothing is loaded anew");
  assert.ok(nodes.every(({ asleep }) => asleep.has("night/0")));
  assert.equal(nameOf(before), "chat");
});
