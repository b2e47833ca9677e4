import assert from "node:assert/strict";
import {
  ActorSystem,
  CLUSTER,
  clusterActor,
  type Deployment,
  generationActor,
  hasCode,
  LocalNetwork,
  stageActor,
} from "../actors/mod.ts";
import { ToyEngine } from "../tests/toy_engine.ts";
import { Admission } from "./admission.ts";
import type { GenerateRequest } from "./api/generator.ts";
import { systemClock } from "./clock.ts";
import { ClusterDirectory } from "./cluster/directory.ts";
import { Gateway } from "./gateway.ts";
import type { ServedModel } from "./served_model.ts";

const request: GenerateRequest = {
  model: "default",
  prompt: { kind: "tokens", tokens: [1, 2, 3] },
  maxTokens: 2,
  sampling: {},
  stop: [],
} as unknown as GenerateRequest;

const model = {
  card: { name: "toy", context: 4096, vocab: 251 },
  eos: [],
  defaults: { sampling: {} },
  encode: () => Int32Array.of(1, 2, 3),
  makeCodec: () => ({
    push: (t: number) => ({ text: `${t}`, stopped: false }),
    flush: () => "",
    tokenText: String,
  }),
} as unknown as ServedModel;

/** One node with a toy stage; `active` generations at once. */
function world(active = 8, msPerRow = 0) {
  const node = "n1";
  const directory = new ClusterDirectory(node);
  const system = new ActorSystem({
    transport: new LocalNetwork().connect(node),
    directory,
    clock: systemClock,
    random: Math.random,
  });
  directory.attach(system, node);
  const gateway = new Gateway({ system, directory, admission: new Admission({ active, queued: 8 }) });
  const engine = new ToyEngine(systemClock, { first: 0, last: 1, layers: 2 }, msPerRow);
  system.register(stageActor, {
    config: stageActor.config.parse({}),
    resources: () => ({ engine: () => Promise.resolve(engine) }),
  });
  system.register(generationActor, {
    config: generationActor.config.parse({}),
    resources: (to) => ({ codec: gateway.codecOf(to) }),
  });
  system.register(clusterActor, {
    config: clusterActor.config.parse({ nodes: 1, model: "toy", source: node }),
    resources: () => ({ place: () => [] }),
  });
  const deployment: Deployment = {
    id: "d",
    model: "toy",
    source: node,
    stages: [{ node, first: 0, last: 1 }],
    members: [],
  };
  directory.learn(deployment);
  gateway.serve({ model, deployment }, "");
  const actors = () => system.status().map((a) => a.address.split("/")[1]).sort();
  return { system, directory, gateway, engine, actors };
}

Deno.test("Gateway.generate() ends with the client's reason when it leaves with the end unread", async () => {
  const { system, gateway, engine, actors } = world();
  const leave = new AbortController();
  const events = gateway.generate(request, leave.signal)[Symbol.asyncIterator]();
  await events.next();
  while (engine.frames < 2 || actors().includes("generation")) await new Promise((r) => setTimeout(r, 1));
  leave.abort(new Error("the client left"));
  await assert.rejects(events.next(), /the client left/);
  await system.close();
});

Deno.test("Gateway.drain() refuses the requests that wait for a place", async () => {
  const { system, gateway } = world(1, 5);
  const { signal } = new AbortController();
  const first = gateway.generate(request, signal)[Symbol.asyncIterator]();
  await first.next();
  const second = gateway.generate(request, signal)[Symbol.asyncIterator]().next();
  const refused = assert.rejects(second, (e) => hasCode(e, "draining"));
  gateway.drain();
  for (let e = await first.next(); !e.done; e = await first.next());
  await refused;
  await system.close();
});

Deno.test("Gateway.generate() leaves no claim behind when the client leaves at any moment", async () => {
  const { system, gateway, engine, actors } = world();
  const claimed = new Set<string>();
  const ask = system.ask.bind(system);
  system.ask = (to, message, options) => {
    if (message.type === "claim") claimed.add(String(message.address));
    return ask(to, message, options);
  };
  for (let moment = 0; moment < 60; moment++) {
    const leave = new AbortController();
    const run = (async () => {
      for await (const _ of gateway.generate(request, leave.signal));
    })().catch(() => {});
    for (let i = 0; i < moment; i++) await Promise.resolve();
    leave.abort(new Error("the client left"));
    await run;
  }
  await new Promise((r) => setTimeout(r, 50));
  for (const to of claimed) {
    await assert.rejects(ask(CLUSTER, { type: "resolve", address: to }), (e) => hasCode(e, "no_owner"), to);
  }
  assert.ok(claimed.size > 30);
  assert.equal(actors().includes("generation"), false);
  assert.equal(engine.arenas.size, 0);
  await system.close();
});
