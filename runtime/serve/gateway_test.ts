import assert from "node:assert/strict";
import {
  ActorSystem,
  arbiterActor,
  type Deployment,
  flowSchema,
  hasCode,
  type KvRoom,
  LocalNetwork,
  memberActor,
  type RequestPolicy,
  shapeSchema,
  stageActor,
} from "../../actors/mod.ts";
import { ToyEngine } from "../../tests/support/toy_engine.ts";
import { Admission } from "./admission.ts";
import type { GenerateRequest } from "../api/generator.ts";
import { systemClock } from "../../actors/mod.ts";
import { ClusterDirectory } from "../cluster/directory.ts";
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
  prepare: () => Promise.resolve(),
  refusals: () => undefined,
  close: () => {},
  outlineText: () => undefined,
  makeCodec: () => ({
    push: (t: number) => ({ text: `${t}`, stopped: false }),
    flush: () => "",
    tokenText: String,
  }),
} as unknown as ServedModel;

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i++) await new Promise((r) => setTimeout(r, 5));
  assert.ok(condition());
}

/**
 * One node with a toy stage that takes `msPerRow`; at most `active` generations run at once. `room`:
 * what the node says that it has memory for.
 */
function world(
  active = 8,
  msPerRow = 0,
  shape: { kv_rows?: number; policy?: RequestPolicy } = {},
  room?: KvRoom,
) {
  const node = "n1";
  const directory = new ClusterDirectory(node);
  const system = new ActorSystem({
    transport: new LocalNetwork().connect(node),
    directory,
    clock: systemClock,
    random: Math.random,
  });
  const gateway = new Gateway({
    system,
    admission: new Admission({ active, queued: 8 }),
  });
  const engine = new ToyEngine(systemClock, { first: 0, last: 1, layers: 2 }, msPerRow);
  system.register(stageActor, {
    config: stageActor.config.parse({}),
    resources: () => ({ engine: () => Promise.resolve(engine) }),
  });
  gateway.register();
  if (room) {
    system.register(memberActor, {
      config: {},
      resources: () => ({ host: { kvRoom: () => room }, onPing() {}, nodes: {} }),
    });
  }
  const deployment: Deployment = {
    id: "d",
    model: "toy",
    source: node,
    stages: [{ node, first: 0, last: 1 }],
    members: [],
    shape: shapeSchema.parse(shape),
  };
  directory.learn(deployment);
  gateway.serve({ model, deployment }, "");
  const actors = () => system.status().map((a) => a.address.split("/")[1]).sort();
  return { system, directory, gateway, engine, actors, deployment };
}

Deno.test("Gateway.flowOf() gives each deployment's custom actors, also while it sleeps, and none to unknown models", async () => {
  const { gateway, system, deployment } = world();
  const { signal } = new AbortController();
  const flow = flowSchema.parse({ request: ["guard"], exposed: ["guard"], actors: ["guard"] });
  const chat = { name: "chat", copy: 0 };
  gateway.serve({ model, deployment: { ...deployment, id: "e", ...chat, flow } }, "", chat);
  assert.deepEqual((await gateway.flowOf("default", signal)).request, []);
  assert.deepEqual(await gateway.flowOf("chat", signal), flow);
  gateway.serve(undefined, "it sleeps until a request comes", chat);
  gateway.sleep(model, chat);
  assert.deepEqual(await gateway.flowOf("chat", signal), flow, "nobody passes the guard by");
  assert.equal(gateway.flows.length, 2);
  await assert.rejects(
    gateway.flowOf("another", signal),
    (e) => hasCode(e, "model_not_found"),
  );
  gateway.drop(chat);
  assert.equal(gateway.flows.length, 1);
  await system.close();
});

Deno.test("Gateway.embed() gives a vector for each input, and refuses inputs that cannot be", async () => {
  const { gateway, system, actors } = world();
  const signal = AbortSignal.timeout(10_000);
  const { vectors, tokens } = await gateway.embed(["a", [5, 6]], { model: "toy" }, signal);
  assert.deepEqual([vectors.map(({ length }) => length), tokens], [[1, 1], [3, 3]]);
  assert.deepEqual(vectors[0], vectors[1], "the model of this test reads every input alike");
  const [last] = (await gateway.embed(["a"], { model: "toy", pooling: "last" }, signal)).vectors;
  assert.notDeepEqual(last, vectors[0]);
  await assert.rejects(
    gateway.embed(["a"], { model: "another" }, signal),
    (e) => hasCode(e, "model_not_found"),
  );
  assert.equal(gateway.running, 0);
  assert.deepEqual(actors(), ["arbiter", "stage"]);
  await system.close();
});

Deno.test("Gateway.generate() refuses what its node has no KV memory for, before anything runs", async () => {
  const { gateway, system, engine } = world(8, 0, {}, { rows: 4, bytes: 4 * 2 ** 20 });
  const { signal } = new AbortController();
  const ask = async (maxTokens: number | undefined) => {
    let tokens = 0;
    for await (const event of gateway.generate({ ...request, maxTokens }, signal)) {
      if (event.type === "delta") tokens += event.tokens.length;
    }
    return tokens;
  };
  // Requests are not bounded until the node has said what it has.
  let frames = engine.frames;
  let refused: unknown;
  for (let i = 0; i < 1_000 && refused === undefined; i++) {
    frames = engine.frames;
    await ask(2).catch((error) => refused = error);
  }
  assert.ok(hasCode(refused, "kv_exceeded"), `${refused}`);
  assert.match((refused as Error).message, /needs 5 positions.*memory for 4 \(4 MiB\)/);
  assert.equal(engine.frames, frames);
  assert.equal(await ask(1), 1);
  assert.equal(await ask(undefined), 1, "nobody said how long the answer may be");
  assert.equal(gateway.running, 0);
  await system.close();
});

Deno.test("Gateway.readiness() says which weights the node fetches while nothing is served", async () => {
  const gateway = new Gateway({ system: undefined!, admission: new Admission() });
  gateway.serve(undefined, "nodes a, b load their layers");
  gateway.fetching = "node b fetches m, 1 of 4 MB";
  const reason = "nodes a, b load their layers; node b fetches m, 1 of 4 MB";
  assert.deepEqual(gateway.readiness(), { ready: false, reason });
  assert.deepEqual(await gateway.check(), { ready: false, reason });
  gateway.fetching = undefined;
  assert.equal(gateway.readiness().reason, "nodes a, b load their layers");
});

Deno.test("Gateway.generate() ends with the client's reason when it leaves with the end unread", async () => {
  const { system, gateway, engine, actors } = world();
  const leave = new AbortController();
  const events = gateway.generate(request, leave.signal)[Symbol.asyncIterator]();
  await events.next();
  while (engine.frames < 2 || actors().includes("generation")) {
    await new Promise((r) => setTimeout(r, 1));
  }
  leave.abort(new Error("the client left"));
  await assert.rejects(events.next(), /the client left/);
  await system.close();
});

Deno.test("Gateway.unused() waits for the requests of a deployment that serves no more", async () => {
  const { system, gateway } = world(8, 2);
  const { signal } = new AbortController();
  await gateway.unused("d", signal);
  const run = gateway.generate(request, signal)[Symbol.asyncIterator]();
  await run.next();
  gateway.serve(undefined, "layers move");
  await assert.rejects(
    gateway.unused("d", AbortSignal.abort(new Error("not waited for"))),
    /not waited for/,
  );
  await gateway.unused("another", signal);
  let unused = false;
  const waiting = gateway.unused("d", signal).then(() => unused = true);
  let last;
  for (let e = await run.next(); !e.done; e = await run.next()) {
    assert.equal(unused, false);
    last = e.value;
  }
  assert.equal(last?.type, "done");
  await waiting;
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

Deno.test("Gateway.generate() leaves no generation behind when the client leaves at any moment", async () => {
  const { system, gateway, actors } = world();
  const started = new Set<string>();
  const tell = system.tell.bind(system);
  system.tell = (to, message, options) => {
    if (message.type === "start") started.add(to);
    return tell(to, message, options);
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
  await until(() => !actors().includes("generation"));
  for (const to of started) {
    await assert.rejects(system.tell(to, { type: "cancel" }), (e) => hasCode(e, "not_active"), to);
  }
  assert.ok(started.size > 30);
  const { requests } = await system.get(arbiterActor, "n1", { deployment: "d" }).stats();
  assert.equal(requests, 0);
  await system.close();
});

Deno.test("Gateway.generate() passes the request's settings on and reports how the answer was made", async () => {
  const { system, gateway } = world();
  const run = async (more: Partial<GenerateRequest>) => {
    const texts: string[] = [];
    for await (
      const event of gateway.generate({ ...request, ...more }, new AbortController().signal)
    ) {
      if (event.type === "delta") texts.push(event.text);
      if (event.type === "done") return { texts, report: event.report, usage: event.usage };
    }
    throw new Error("no end");
  };
  const plain = await run({ mode: "plain", maxTokens: 30 });
  assert.deepEqual(plain.usage, { promptTokens: 3, completionTokens: 30 });
  const again = await run({ mode: "plain", maxTokens: 1 });
  assert.deepEqual(again.usage, { promptTokens: 3, completionTokens: 1, cachedTokens: 2 });
  assert.equal(plain.report.mode, "plain");
  assert.equal(plain.report.why, "plain as asked");
  assert.equal(plain.report.nodes, 1);
  assert.equal(plain.report.pieces, 1);
  const long = await run({
    mode: "outline",
    prompt: { kind: "tokens", tokens: [9] },
    maxTokens: 4,
  });
  assert.match(
    long.report.why,
    /plain though outline was asked for; no outline: the prompt is not a conversation/,
  );
  const speculative = await run({ mode: "speculative", draftLength: 4, maxTokens: 30 });
  assert.equal(speculative.texts.join(""), plain.texts.join(""));
  await system.close();
});

Deno.test("Gateway.generate() cuts a prompt into as many pieces as the request asks for", async () => {
  const { system, gateway } = world();
  const encode = model.encode;
  model.encode = () => Int32Array.from({ length: 50 }, (_, i) => i);
  try {
    for (const [more, pieces] of [[{ pieces: 4 }, 4], [{ pieceRows: 20 }, 3], [{}, 1]] as const) {
      const events = [];
      for await (
        const e of gateway.generate({ ...request, ...more }, new AbortController().signal)
      ) {
        events.push(e);
      }
      const done = events.at(-1)!;
      // Rows of an earlier request's prompt are there already: the last piece alone is run again.
      if (done.type === "done") assert.ok(done.report.pieces! <= pieces && done.report.pieces! > 0);
    }
  } finally {
    model.encode = encode;
  }
  await system.close();
});

Deno.test("Gateway.pipelineOf() bounds the arena by what may run at once, not by the plan's KV rows", () => {
  const rows = (active: number, kv_rows?: number) =>
    world(active, 0, { kv_rows }).gateway.pipelineOf("d/arbiter/n1")!.capacity_rows;
  assert.equal(rows(8, 640), 8 * 4096);
  assert.equal(rows(8), 8 * 4096);
  assert.equal(rows(1, 640), 2 * 4096, "branches of one request need more than one context");
  assert.equal(rows(1, 100_000), 100_000);
});

Deno.test("Gateway.traces() returns the last frames, none before there was a request or a deployment", async () => {
  const { system, gateway } = world();
  assert.deepEqual(await gateway.traces(), { node: "n1", traces: [] });
  for await (const _ of gateway.generate(request, new AbortController().signal));
  const { traces } = await gateway.traces();
  assert.deepEqual(traces.map((t) => t.rows), [
    { prefill: 3, decode: 0, draft: 0 },
    { prefill: 0, decode: 1, draft: 0 },
  ]);
  gateway.serve(undefined, "nothing any more");
  assert.deepEqual((await gateway.traces()).traces, []);
  await system.close();
});

Deno.test("Gateway.generate() uses the graph's policy where the request does not say, with its outline texts", async () => {
  const policy: RequestPolicy = { mode: "plain", router: false };
  const { system, gateway } = world(8, 0, { policy });
  const asked: unknown[] = [];
  const outlineText = model.outlineText;
  model.outlineText = (...given) => void asked.push(given[1]) as undefined;
  const why = async (more: Partial<GenerateRequest>) => {
    for await (
      const event of gateway.generate({ ...request, ...more }, new AbortController().signal)
    ) {
      if (event.type === "done") return event.report.why;
    }
  };
  try {
    assert.equal(await why({}), "plain as the graph says");
    assert.deepEqual(asked, [], "a plain answer needs no outline texts");
    assert.match(
      (await why({ mode: "auto" }))!,
      /^plain chosen; no outline: the prompt is not a conversation/,
    );
    assert.match((await why({ mode: "outline" }))!, /^plain though outline was asked for/);
    assert.deepEqual(asked, [policy, policy]);
    // A request with points asks for an outline; the graph's mode does not apply to it.
    await assert.rejects(
      why({ points: ["One", "Two"] }),
      /orrery\.points: the prompt is not a conversation/,
    );
  } finally {
    model.outlineText = outlineText;
  }
  await system.close();
});

Deno.test("Gateway.generate() spreads many requests over arbiters, with the same tokens", async () => {
  const { system, gateway, actors } = world(20);
  const tokens = async () => {
    const found: unknown[] = [];
    for await (const event of gateway.generate(request, new AbortController().signal)) {
      if (event.type === "delta") found.push(event.text);
    }
    return found;
  };
  const alone = await tokens();
  const all = await Promise.all(Array.from({ length: 20 }, tokens));
  for (const one of all) assert.deepEqual(one, alone);
  assert.equal(actors().filter((kind) => kind === "arbiter").length, 2);
  const { traces } = await gateway.traces();
  const requests = new Set(traces.flatMap((t) => t.requests));
  assert.equal(requests.size, 21, "the frames of all arbiters");
  assert.ok(traces.every((t, i) => i === 0 || t.answered >= traces[i - 1].answered));
  await system.close();
});

Deno.test("Gateway.end() ends requests that run and those that wait, with a reason", async () => {
  const { system, gateway } = world(1, 2);
  const { signal } = new AbortController();
  const runs = Array.from(
    { length: 2 },
    () => gateway.generate({ ...request, maxTokens: 4_000 }, signal)[Symbol.asyncIterator](),
  );
  await runs[0].next();
  const waits = runs[1].next();
  gateway.drain();
  gateway.end();
  const told = (e: unknown) => hasCode(e, "draining");
  await assert.rejects(waits, told);
  await assert.rejects(async () => {
    while (!(await runs[0].next()).done);
  }, told);
  assert.equal(gateway.running, 0);
  await system.close();
});
