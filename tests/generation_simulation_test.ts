/**
 * Generation and stages under the deterministic simulator: every seed is another schedule.
 */
import assert from "node:assert/strict";
import {
  type Address,
  address,
  directoryOf,
  generationActor,
  hasCode,
  type Inbox,
  OrreryError,
  samplingSchema,
  Simulation,
  stageActor,
  stageAddress,
  type TextCodec,
} from "../actors/mod.ts";
import { evenSplit } from "../planner/mod.ts";
import { toyAnswer, ToyEngine } from "./toy_engine.ts";

const LAYERS = 6;
const prompt = Int32Array.from({ length: 40 }, (_, i) => (i * 37 + 11) % 251);

const plainCodec = (): TextCodec => ({
  push: (t) => ({ text: `${t} `, stopped: false }),
  flush: () => "",
  tokenText: String,
});

/** `stages` nodes s0.. with a stage each, and a node "api" with the generations. */
function world(options: { stages?: number; seed?: number; codec?: () => TextCodec; msPerRow?: number } = {}) {
  const { stages = 2, seed = 1, codec = plainCodec, msPerRow = 1 } = options;
  const sim = new Simulation({ seed });
  const directory = directoryOf((a) => a.includes("/stage/") ? `s${a.split("/")[2]}` : "api");
  const engines: ToyEngine[][] = [];
  const systems = evenSplit(LAYERS, stages).map((range, i) => {
    const system = sim.node(`s${i}`, directory);
    engines.push([]);
    system.register(stageActor, {
      config: stageActor.config.parse({}),
      resources: () => ({
        engine: () => {
          const engine = new ToyEngine(sim.clock, { ...range, layers: LAYERS }, msPerRow);
          engines[i].push(engine);
          return Promise.resolve(engine);
        },
      }),
    });
    return system;
  });
  const api = sim.node("api", directory);
  api.register(generationActor, {
    config: generationActor.config.parse({ silenceMs: 5_000 }),
    resources: () => ({ codec: codec }),
  });
  const start = async (key: string, more: Record<string, unknown> = {}): Promise<Inbox> => {
    const client = address("d", "client", key);
    const inbox = api.inbox(client, { capacity: 4 });
    await sim.until(api.tell(address("d", "generation", key), {
      type: "start",
      prompt,
      max_tokens: 20,
      sampling: samplingSchema.parse({}),
      stop: [],
      eos: [],
      stages: Array.from({ length: stages }, (_, i) => stageAddress("d", i)),
      piece_rows: 16,
      client,
      ...more,
    }));
    return inbox;
  };
  const arenas = () => engines.flat().reduce((n, e) => n + (e.disposed ? 0 : e.arenas.size), 0);
  return { sim, api, systems, engines, start, arenas };
}

interface Outcome {
  tokens: number[];
  text: string;
  // deno-lint-ignore no-explicit-any
  end: { type: string; body: any };
}

const readAll = (sim: Simulation, ...inboxes: Inbox[]) => sim.until(Promise.all(inboxes.map(read)));

async function read(inbox: Inbox): Promise<Outcome> {
  const outcome: Outcome = { tokens: [], text: "", end: { type: "", body: undefined } };
  for (;;) {
    const m = await inbox.next();
    // deno-lint-ignore no-explicit-any
    const body = m!.body as any;
    if (m!.type !== "delta") return { ...outcome, end: { type: m!.type, body } };
    outcome.text += body.text;
    for (const t of body.tokens) outcome.tokens.push(t.token);
  }
}

const expected = await toyAnswer(prompt, 20, LAYERS);

Deno.test("Generation gives the same tokens for every split, piece size and schedule", async () => {
  assert.equal(expected.length, 20);
  assert.ok(new Set(expected).size > 5, "the toy model must not repeat itself");
  for (const stages of [1, 2, 3, 4, 6]) {
    for (const piece_rows of [1, 7, 16, 40]) {
      const { sim, start, arenas } = world({ stages, seed: stages * 100 + piece_rows });
      const [{ tokens, end }] = await readAll(sim, await start("g", { piece_rows }));
      assert.deepEqual(tokens, expected, `${stages} stages, pieces of ${piece_rows}`);
      assert.equal(end.body.finish, "length");
      assert.equal(end.body.prompt_tokens, 40);
      assert.equal(end.body.completion_tokens, 20);
      await sim.run({ forMs: 1_000 });
      assert.equal(arenas(), 0);
    }
  }
});

Deno.test("Concurrent generations do not disturb each other and take turns", async () => {
  const { sim, start, arenas } = world({ stages: 3, seed: 9 });
  const inboxes = [];
  for (let i = 0; i < 5; i++) inboxes.push(await start(`g${i}`, { max_tokens: 20 }));
  const outcomes = await readAll(sim, ...inboxes);
  for (const { tokens } of outcomes) assert.deepEqual(tokens, expected);
  const ends = outcomes.map((o) => o.end.body.ttft_ms + 19 * o.end.body.tpot_ms);
  assert.ok(Math.max(...ends) < 2 * Math.min(...ends), `fair: ${ends}`);
  await sim.run({ forMs: 1_000 });
  assert.equal(arenas(), 0);
});

Deno.test("A generation ends at EOS and at a stop, with what the codec held back", async () => {
  const eos = expected[7];
  const { sim, start } = world();
  const [first] = await readAll(sim, await start("eos", { eos: [eos] }));
  assert.deepEqual(first.tokens, expected.slice(0, expected.indexOf(eos)));
  assert.equal(first.end.body.finish, "stop");

  let n = 0;
  const stopping = world({
    codec: () => ({
      push: (t) => ({ text: n === 4 ? "" : `${t} `, stopped: ++n === 5 }),
      flush: () => "never",
      tokenText: String,
    }),
  });
  const [second] = await readAll(stopping.sim, await stopping.start("stop"));
  assert.equal(second.end.body.finish, "stop");
  assert.equal(second.end.body.completion_tokens, 5);
  assert.equal(second.text.includes("never"), false);
});

Deno.test("Cancelling stops the stages within a frame and frees every arena", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const { sim, api, engines, start, arenas } = world({ stages: 3, seed });
    const inbox = await start("g", { max_tokens: 1000 });
    for (let i = 0; i < 5; i++) await sim.until(inbox.next());
    await sim.until(api.tell(address("d", "generation", "g"), { type: "cancel" }));
    await sim.run({ forMs: 20 });
    const frames = engines.map(([e]) => e.frames);
    assert.equal(arenas(), 0);
    await sim.run({ forMs: 10_000 });
    assert.deepEqual(engines.map(([e]) => e.frames), frames, "no stage worked on");
    assert.deepEqual(api.status(), [], "the actor is gone");
  }
});

Deno.test("A client that is gone ends its generation", async () => {
  const { sim, api, start, arenas } = world();
  const inbox = await start("g", { max_tokens: 1000 });
  await sim.until(inbox.next());
  inbox.close();
  await sim.run({ forMs: 1_000 });
  assert.equal(arenas(), 0);
  assert.deepEqual(api.status(), []);
});

Deno.test("A client that does not read makes its generation wait, not grow", async () => {
  const { sim, engines, start } = world({ stages: 1 });
  const inbox = await start("g", { max_tokens: 1000, prompt: Int32Array.of(1) });
  await sim.run({ forMs: 10_000 });
  const frames = engines[0][0].frames;
  assert.ok(frames < 12, `${frames} frames ran for a client with room for 4 deltas`);
  for (let i = 0; i < 10; i++) await sim.until(inbox.next());
  await sim.run({ forMs: 10_000 });
  assert.ok(engines[0][0].frames > frames);
});

Deno.test("An engine's refusal ends that generation with its error and no other", async () => {
  const { sim, engines, start, arenas } = world({ stages: 2 });
  const bad = await start("bad");
  const good = await start("good");
  await sim.run({ forMs: 30 });
  engines[1][0].failNext = new OrreryError({
    group: "engine",
    code: "arena_full",
    message: "too small",
    metadata: { capacity: 1 },
  });
  const [a, b] = await readAll(sim, bad, good);
  const [failed, fine] = a.end.type === "failed" ? [a, b] : [b, a];
  assert.equal(failed.end.body.error.code, "arena_full");
  assert.deepEqual(failed.end.body.error.metadata, { capacity: 1 });
  assert.deepEqual(fine.tokens, expected);
  await sim.run({ forMs: 1_000 });
  assert.equal(arenas(), 0);
});

Deno.test("A stage whose engine dies restarts with a new one and serves the next request", async () => {
  const { sim, engines, start } = world({ stages: 2 });
  const first = await start("first");
  await sim.run({ forMs: 3 });
  engines[0][0].failNext = new OrreryError({
    group: "engine",
    code: "engine_failed",
    message: "worker died",
  });
  const [{ end }] = await readAll(sim, first);
  assert.equal(end.type, "failed");
  assert.equal(end.body.error.code, "engine_failed");
  const [{ tokens }] = await readAll(sim, await start("second"));
  assert.deepEqual(tokens, expected);
  assert.equal(engines[0].length, 2);
  assert.equal(engines[0][0].disposed, true);
});

Deno.test("A stage that hangs fails the generation after the silence deadline", async () => {
  const { sim, engines, start } = world({ stages: 2 });
  const inbox = await start("g");
  await sim.until(inbox.next());
  engines[1][0].hang = true;
  const [{ end }] = await readAll(sim, inbox);
  assert.equal(end.body.error.code, "stages_silent");
});

Deno.test("A stage's node that dies fails the generation and frees the other stages", async () => {
  for (const dead of [0, 1, 2]) {
    const { sim, engines, start } = world({ stages: 3, seed: dead });
    const inbox = await start("g", { max_tokens: 500 });
    await sim.until(inbox.next());
    sim.crash(`s${dead}`);
    const [{ end }] = await readAll(sim, inbox);
    assert.ok(["peer_lost", "stages_silent"].includes(end.body.error.code), end.body.error.code);
    await sim.run({ forMs: 20_000 });
    for (const [i, [engine]] of engines.entries()) {
      if (i !== dead) assert.equal(engine.arenas.size, 0, `stage ${i}`);
    }
  }
});

Deno.test("An arena whose generation vanished is freed after its lease", async () => {
  const { sim, engines, start } = world({ stages: 2 });
  const inbox = await start("g", { max_tokens: 500 });
  await sim.until(inbox.next());
  sim.crash("api");
  await sim.run({ forMs: 1_000_000 });
  for (const [engine] of engines) assert.equal(engine.arenas.size, 0);
});

Deno.test("A retired stage serves its open requests and then gives its engine back", async () => {
  const { sim, systems, engines, start } = world({ stages: 2 });
  const inbox = await start("g");
  await sim.until(inbox.next());
  for (const i of [0, 1]) await sim.until(systems[i].tell(stageAddress("d", i), { type: "retire" }));
  assert.deepEqual((await readAll(sim, inbox))[0].end.body.finish, "length");
  await sim.run({ forMs: 1_000 });
  for (const [engine] of engines) assert.equal(engine.disposed, true);
});

Deno.test("A frame without an arena is answered with no_arena", async () => {
  const { sim, api, systems } = world({ stages: 1 });
  const inbox = api.inbox("d/client/x" as Address);
  await sim.until(api.tell(stageAddress("d", 0), {
    type: "frame",
    request: "stranger",
    seq: 3,
    base: 0,
    tokens: Int32Array.of(1),
    positions: Int32Array.of(0),
    parents: Int32Array.of(-1),
    want: Int32Array.of(0),
  }));
  await sim.run({ forMs: 100 });
  assert.ok(systems[0].deadLetters().last.some((l) => hasCode(l.error, "no_arena")));
  inbox.close();
});

Deno.test("A codec that throws fails its generation, and nothing of it stays", async () => {
  const codecs: [string, () => TextCodec][] = [
    ["at once", () => {
      throw new TypeError("no codec");
    }],
    ["at a token", () => ({
      ...plainCodec(),
      push: () => {
        throw new TypeError("a bug");
      },
    })],
  ];
  for (const [when, codec] of codecs) {
    const { sim, api, start, arenas } = world({ codec });
    const [{ end }] = await readAll(sim, await start("g"));
    assert.equal(end.type, "failed", when);
    await sim.run({ forMs: 1_000 });
    assert.equal(arenas(), 0, when);
    assert.deepEqual(api.status(), [], when);
  }
});

Deno.test("A generation that is cancelled before its first turn does not run", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const { sim, api, engines } = world({ seed });
    const client = address("d", "client", "g");
    const to = address("d", "generation", "g");
    api.inbox(client);
    const start = {
      type: "start",
      prompt,
      max_tokens: 20,
      sampling: samplingSchema.parse({}),
      stop: [],
      eos: [],
      stages: [stageAddress("d", 0), stageAddress("d", 1)],
      piece_rows: 16,
      client,
    };
    await sim.until(Promise.all([api.tell(to, start), api.tell(to, { type: "cancel" })]));
    await sim.run({ forMs: 10_000 });
    assert.deepEqual(engines, [[], []]);
    assert.deepEqual(api.status(), []);
  }
});

Deno.test("Generations that wait for a hanging stage's credit fail after the silence deadline too", async () => {
  const { sim, api, engines, start } = world({ stages: 1 });
  const warm = await start("warm", { max_tokens: 1 });
  await readAll(sim, warm);
  engines[0][0].hang = true;
  const inboxes = [];
  for (let i = 0; i < 40; i++) inboxes.push(await start(`g${i}`));
  for (const { end } of await readAll(sim, ...inboxes)) assert.equal(end.type, "failed");
  await sim.run({ forMs: 60_000 });
  assert.deepEqual(api.status(), []);
});

Deno.test("A dead engine that cannot even close an arena ends its requests and is replaced", async () => {
  const { sim, engines, start } = world({ stages: 2 });
  const first = await start("first");
  await sim.until(first.next());
  const dead = new OrreryError({ group: "engine", code: "engine_failed", message: "worker died" });
  engines[0][0].failNext = dead;
  engines[0][0].close = () => Promise.reject(dead);
  const [{ end }] = await readAll(sim, first);
  assert.equal(end.body.error.code, "engine_failed");
  const [{ tokens }] = await readAll(sim, await start("second"));
  assert.deepEqual(tokens, expected);
  assert.equal(engines[0].length, 2);

  // The lease of a request whose generation vanished: there nobody waits for the close.
  const third = await start("third", { max_tokens: 500 });
  await sim.until(third.next());
  engines[0][1].close = () => Promise.reject(dead);
  sim.crash("api");
  await sim.run({ forMs: 1_000_000 });
  assert.equal(engines[0][1].disposed, true);
});

Deno.test("A stage that cannot load says so to the generation at once", async () => {
  const { sim, start } = world({ stages: 2 });
  const refused = new OrreryError({ group: "cluster", code: "retired", message: "let go" });
  const broken = sim.node("s9", directoryOf((a) => a.includes("/stage/") ? "s9" : "api"));
  broken.register(stageActor, {
    config: stageActor.config.parse({}),
    resources: () => ({ engine: () => Promise.reject(refused) }),
  });
  const inbox = await start("g", { stages: ["d/stage/9"], piece_rows: 40 });
  const [{ end }] = await readAll(sim, inbox);
  assert.equal(end.body.error.code, "retired");
  await sim.run({ forMs: 1_000 });
  assert.deepEqual(broken.status(), []);
});

Deno.test("A client that does not read its end does not hold the arenas", async () => {
  const { sim, start, arenas } = world();
  const inbox = await start("g", { max_tokens: 4 }); // four deltas fill the inbox; the end has no place in it
  await sim.run({ forMs: 5_000 });
  assert.equal(arenas(), 0);
  const [{ end, tokens }] = await readAll(sim, inbox);
  assert.equal(end.type, "done");
  assert.deepEqual(tokens, expected.slice(0, 4));
});
