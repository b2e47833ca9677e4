import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import {
  ActorSystem,
  address,
  type Deployment,
  deploymentSchema,
  directoryOf,
  type Drafted,
  drafterActor,
  drafterAddress,
  hasCode,
  LocalNetwork,
  samplingSchema,
  Simulation,
  SOLO,
  stageActor,
  stageAddress,
  type WireError,
} from "../../actors/mod.ts";
import { ModelStore } from "../../models/mod.ts";
import { inFolder } from "../../tests/support/store_folder.ts";
import { writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import { ToyEngine } from "../../tests/support/toy_engine.ts";
import { systemClock } from "../../actors/mod.ts";
import { DeploymentHost, type DeploymentHostOptions } from "./deployment_host.ts";
import { EngineLoader } from "./stage_loader.ts";

Deno.test("DeploymentHost.retire() reaches a stage that is busy for longer than any message may wait", async () => {
  const sim = new Simulation({ seed: 1 });
  const system = sim.node("n1", directoryOf(() => "n1"));
  system.register(stageActor, {
    config: stageActor.config.parse({}),
    resources: () => ({
      engine: () =>
        Promise.resolve(new ToyEngine(sim.clock, { first: 0, last: 0, layers: 1 }, 30_000)),
    }),
  });
  const stored = {
    manifest: { geometry: { context: 8, vocab: 8 }, name: "m", precision: "f32" },
  };
  const host = new DeploymentHost({
    system,
    directory: { learn() {}, forget() {} },
    models: { ensure: () => Promise.resolve(stored), open: () => Promise.resolve({}) },
    mailbox: { peers: () => [] },
    gateway: { runs: () => false, learned() {} },
  } as unknown as DeploymentHostOptions);
  const deployment = deploymentSchema.parse({
    id: "d",
    model: "m",
    source: "n1",
    stages: [{ node: "n1", first: 0, last: 0 }],
    members: [],
  });
  let prepared = false;
  void host.prepare(deployment, new AbortController().signal).then(() => prepared = true);
  while (!prepared) {
    await sim.run({ forMs: 1 });
    await new Promise((resolve) => setTimeout(resolve, 1)); // it reads the model's files
  }
  const client = address("d", "client", "x");
  using _inbox = system.inbox(client);
  const frame = {
    type: "frame",
    arena: "r",
    seq: 0,
    layout: { capacity: 8, keep: new Int32Array(0), reply_to: client, wire: "f32" },
    samplers: [{ id: 0, sampling: { temperature: 0 }, prompt_rows: 1 }],
    base: 0,
    tokens: Int32Array.of(1),
    positions: Int32Array.of(0),
    parents: Int32Array.of(-1),
    want: Int32Array.of(0),
    want_samplers: Int32Array.of(0),
  };
  await sim.until(system.tell(stageAddress("d", 0), frame));
  await sim.run({ forMs: 1 });
  let retired = false;
  void host.retire("d").then(() => retired = true);
  for (let i = 0; i < 8; i++) await sim.run({ forMs: 10_000 });
  assert.equal(retired, false);
  await sim.until(system.tell(stageAddress("d", 0), { type: "close", arena: "r" }));
  for (let i = 0; i < 8; i++) await sim.run({ forMs: 1_000 });
  assert.deepEqual(host.stages, []);
  assert.equal(retired, true);
  host.close();
});

/** A host without a store: a model is there when `fetched` is settled. */
function bareHost(fetched: Promise<unknown>) {
  const served: (string | undefined)[] = [];
  const running = new Map<string, Promise<void>>();
  const host = new DeploymentHost({
    system: { node: "n1", status: () => [] },
    directory: { learn() {}, forget() {} },
    mailbox: { peers: () => [], addPeer() {} },
    gateway: {
      learned() {},
      serve: (now?: { deployment: Deployment }) => void served.push(now?.deployment.id),
      runs: (id: string) => running.has(id),
      unused: (id: string) => running.get(id) ?? Promise.resolve(),
    },
    models: { ensure: () => fetched.then(() => ({ manifest: {} })), open: () => ({}) },
  } as unknown as DeploymentHostOptions);
  const deployment = (id: string) =>
    deploymentSchema.parse({
      id,
      model: "m",
      source: "n1",
      stages: [{ node: "n2", first: 0, last: 0 }],
      members: [],
    });
  return { host, served, running, deployment };
}

Deno.test("DeploymentHost.release() serves with the deployment no more, and waits for its requests", async () => {
  const { host, served, running, deployment } = bareHost(Promise.resolve());
  const { signal } = new AbortController();
  for (const id of ["d-1", "d-2"]) await host.prepare(deployment(id), signal);
  host.adopt(deployment("d-1"), "");
  const request = Promise.withResolvers<void>();
  running.set("d-1", request.promise);
  let released = false;
  const releasing = host.release("d-1", signal).then(() => released = true);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(released, false);
  assert.deepEqual(served, ["d-1", undefined], "it has not heard of the next one yet");
  host.adopt(deployment("d-2"), "");
  request.resolve();
  await releasing;
  await host.release("d-1", signal);
  assert.deepEqual(served, ["d-1", undefined, "d-2"]);
  for (const id of ["d-1", "d-2"]) await host.retire(id);
  host.close();
});

Deno.test("DeploymentHost.prepare() keeps nothing of a deployment that was retired meanwhile", async () => {
  const fetched = Promise.withResolvers<void>();
  const { host, served, deployment } = bareHost(fetched.promise);
  const preparing = host.prepare(deployment("d-1"), new AbortController().signal);
  await host.retire("d-1");
  fetched.resolve();
  await assert.rejects(preparing, (e) => hasCode(e, "retired"));
  host.adopt(deployment("d-1"), "");
  assert.deepEqual(served, [undefined]);
  host.close();
});

/**
 * Runs `run` with a DeploymentHost that has a real store, engines and actors, and no other node.
 *
 * @param drafts Drafters load after this.
 */
async function withHost(
  run: (system: ActorSystem, host: DeploymentHost, deployment: Deployment) => Promise<void>,
  drafts: () => Promise<void> = () => Promise.resolve(),
) {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(join(dir, "store"));
    for (const [name, layers, seed] of [["target", 4, 1], ["draft", 1, 2]] as const) {
      await writeTinyCheckpoint(join(dir, name), { layers, seed });
      await store.add(join(dir, name), { name, precision: "f32" });
    }
    const network = new LocalNetwork();
    const directory = directoryOf(() => "n1");
    const system = new ActorSystem({
      transport: network.connect("n1"),
      directory,
      clock: systemClock,
      random: Math.random,
    });
    const host = new DeploymentHost({
      system,
      directory: { ...directory, learn() {}, forget() {} },
      store,
      mailbox: { peers: () => [], addPeer() {} },
      gateway: { runs: () => false, learned() {}, serve() {}, sleep() {} },
      loader: new EngineLoader(system, { memoryBytes: 2 ** 28, threads: 1 }),
    } as unknown as DeploymentHostOptions);
    system.register(stageActor, {
      config: stageActor.config.parse({}),
      resources: (to) => ({ engine: () => host.loadStage(to) }),
    });
    system.register(drafterActor, {
      config: drafterActor.config.parse({}),
      resources: (to) => ({ engine: () => drafts().then(() => host.loadDraft(to)) }),
    });
    const deployment = deploymentSchema.parse({
      id: "d",
      model: "target",
      source: "n1",
      stages: [{ node: "n1", first: 0, last: 3 }],
      members: [],
      draft: { node: "n1", model: "draft", source: "n1" },
    });
    try {
      await run(system, host, deployment);
    } finally {
      await system.close();
      await host.close();
    }
  });
}

async function draft(
  system: ActorSystem,
  tokens: number[],
): Promise<{ type: string; body: unknown }> {
  const client = address("d", "client", "x");
  using inbox = system.inbox(client);
  await system.tell(drafterAddress("d"), {
    type: "draft",
    chain: "c",
    id: 1,
    base: 0,
    tokens: Int32Array.from(tokens),
    length: 6,
    sampling: samplingSchema.parse({}),
    prompt_rows: tokens.length,
    reply_to: client,
  });
  const received = await inbox.next(AbortSignal.timeout(20_000));
  return { type: received!.type, body: received!.body };
}

Deno.test("DeploymentHost.standBy() loads parts that are elsewhere, which are there when they come here", async () => {
  await withHost(async (system, host, deployment) => {
    const { signal } = new AbortController();
    const split = (node: string, revision: number): Deployment => ({
      ...deployment,
      draft: undefined,
      revision,
      stages: [{ node: "n1", first: 0, last: 1 }, { node, first: 2, last: 3 }],
    });
    await host.prepare(split("n2", 0), signal);
    const other = stageAddress("d", 1);
    const active = () => system.status().map((a) => a.address).sort();
    await host.standBy({ id: "d", stages: [1, 7], head: [3] }, signal);
    assert.deepEqual([active(), host.spares], [[stageAddress("d", 0)], [other]]);
    await host.prepare(split("n1", 1), signal);
    assert.deepEqual([active(), host.spares], [[stageAddress("d", 0), other], []]);
    await host.prepare(split("n2", 2), signal);
    await host.standBy({ id: "d", stages: [1], head: [] }, signal);
    await host.standBy({ id: "d", stages: [], head: [] }, signal);
    assert.deepEqual(host.spares, [], "it is no backup any more");
    await host.standBy({ id: "d", stages: [1], head: [] }, signal);
    await host.retire("d", AbortSignal.timeout(10_000));
    assert.deepEqual([active(), host.spares], [[], []]);
    const late = host.standBy({ id: "d", stages: [1], head: [] }, signal);
    await assert.rejects(late, (e) => hasCode(e, "retired"));
  });
});

Deno.test("DeploymentHost.prepare() loads the draft model as a drafter, and DeploymentHost.retire() ends it", async () => {
  await withHost(async (system, host, deployment) => {
    await host.prepare(deployment, new AbortController().signal);
    const active = () => system.status().map((a) => a.address).sort();
    assert.deepEqual(active(), [drafterAddress("d"), stageAddress("d", 0)]);
    const info = await system.ask(drafterAddress("d"), { type: "warm" }) as { layers: number };
    assert.equal(info.layers, 1, "the draft model has one layer, the target four");
    const prompt = [70, 71, 72, 73];
    const { type, body } = await draft(system, prompt);
    assert.equal(type, "drafted");
    const { tokens, chances } = body as Drafted;
    assert.ok(tokens.length > 0 && tokens.length === chances.length);
    chances.forEach((c) => assert.ok(c > 0 && c <= 1));
    // The same model, asked token by token.
    for (const [i, token] of tokens.entries()) {
      await system.tell(drafterAddress("d"), { type: "close", chain: "c" });
      const again = await draft(system, [...prompt, ...tokens.subarray(0, i)]);
      assert.equal((again.body as Drafted).tokens[0], token);
    }
    await system.tell(drafterAddress("d"), { type: "close", chain: "c" });
    await host.retire("d", AbortSignal.timeout(10_000));
    assert.deepEqual(active(), []);
    await assert.rejects(host.loadDraft(drafterAddress("d")), (e) => hasCode(e, "retired"));
  });
});

Deno.test("DeploymentHost.prepare() waits for the drafter of a new deployment, and not for that of one that slept", async () => {
  let gate = Promise.withResolvers<void>();
  let asked = Promise.withResolvers<void>();
  await withHost(async (system, host, deployment) => {
    const prepare = (id: string) =>
      host.prepare({ ...deployment, id }, AbortSignal.timeout(10_000));
    let ready = false;
    const first = prepare("d").then(() => ready = true);
    await asked.promise;
    await sleep(20);
    assert.equal(ready, false);
    gate.resolve();
    await first;
    [gate, asked] = [Promise.withResolvers(), Promise.withResolvers()];
    host.adopt(undefined, "it sleeps", { asleep: { model: "target", source: "n1", members: [] } });
    await host.retire("d", AbortSignal.timeout(10_000));
    host.adopt(undefined, "nodes load their layers");
    await prepare("e");
    await asked.promise;
    gate.resolve();
    await system.ask(drafterAddress("e"), { type: "warm" }, { deadlineMs: 10_000 });
  }, () => {
    asked.resolve();
    return gate.promise;
  });
});

Deno.test("DeploymentHost.loadDraft() gives the drafter's head the tokens that the deployment says", async () => {
  await withHost(async (system, host, deployment) => {
    deployment.draft!.vocabulary = 40;
    await host.prepare(deployment, new AbortController().signal);
    // All of the tiny vocabulary are special tokens and bytes: the lowest 40 are kept.
    const inside = (id: number) => id < 40;
    for (let start = 60; start < 90; start++) {
      const { tokens } = (await draft(system, [start, start + 1])).body as Drafted;
      assert.ok(tokens.length > 0 && [...tokens].every(inside), `${tokens}`);
      await system.tell(drafterAddress("d"), { type: "close", chain: "c" });
    }
  });
});

Deno.test("DeploymentHost.prepare() goes on without a draft model that is missing, and its drafter says so", async () => {
  await withHost(async (system, host, deployment) => {
    deployment.draft!.model = "no such model";
    await host.prepare(deployment, new AbortController().signal);
    assert.deepEqual(system.status().map((a) => a.address), [stageAddress("d", 0)]);
    const { type, body } = await draft(system, [70]);
    assert.equal(type, "undrafted");
    assert.equal((body as { error: WireError }).error.code, "no_draft");
    await system.stop(stageAddress("d", 0));
  });
});

Deno.test("DeploymentHost.prepare() loads the whole model after the stages, where it is kept", async () => {
  await withHost(async (system, host, { draft: _, ...deployment }) => {
    const solo = stageAddress("d", SOLO);
    await host.prepare({ ...deployment, solo: { node: "n1" } }, new AbortController().signal);
    const info = await system.ask(solo, { type: "warm" }) as { firstLayer: number; last: boolean };
    assert.deepEqual([info.firstLayer, info.last], [0, true]);
    await host.retire("d", AbortSignal.timeout(10_000));
    assert.deepEqual(system.status(), []);
  });
});
