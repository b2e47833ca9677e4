/**
 * Generation, arbiter and stages under the deterministic simulator: every seed is another schedule.
 */
import assert from "node:assert/strict";
import { z } from "zod";
import {
  address,
  defineActor,
  directoryOf,
  generationActor,
  OrreryError,
  Simulation,
  stageAddress,
  type TextCodec,
} from "../actors/mod.ts";
import { GENERATION } from "./simulations/generation.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";
import { ARBITER, LAYERS, plainCodec, prompt, read, world } from "./support/generation_world.ts";
import { toyAnswer } from "./support/toy_engine.ts";

const expected = await toyAnswer(prompt, 20, LAYERS);

/** Nothing of any request is left: no generation, nothing open at the arbiter. */
async function assertOver({ sim, generations, arbiter }: ReturnType<typeof world>): Promise<void> {
  await sim.run({ forMs: 1_000 });
  assert.deepEqual(generations(), []);
  assert.equal((await arbiter()).requests, 0);
}

Deno.test("generationActor gives the same tokens for every split, piece size and schedule", async () => {
  assert.equal(expected.length, 20);
  assert.ok(new Set(expected).size > 5, "the toy model must not repeat itself");
  for (const stages of [1, 2, 3, 4, 6]) {
    for (const rows of [[1], [7], [16], [30, 10], undefined]) {
      const w = world({ stages, seed: stages * 100 + (rows?.[0] ?? 0) });
      const { tokens, done } = await w.answer("g", { pieces: rows });
      assert.deepEqual(tokens, expected, `${stages} stages, pieces of ${rows}`);
      assert.equal(done.finish, "length");
      assert.equal(done.prompt_tokens, 40);
      assert.equal(done.completion_tokens, 20);
      const { mode, stages: reported, pieces, drafted } = done.orrery;
      assert.deepEqual({ mode, reported, drafted }, {
        mode: "plain",
        reported: stages,
        drafted: 0,
      });
      if (rows?.[0] === 16) assert.equal(pieces, 3);
      await assertOver(w);
    }
  }
});

Deno.test("generationActor ends every request once, with its own tokens, on every seed", async () => {
  await assertSeeds(GENERATION, seedsFrom(0, 30));
});

for (const broken of GENERATION.broken) {
  Deno.test(`GENERATION.run() notices ${broken.name}`, () => assertCaught(broken));
}

Deno.test("generationActor takes turns with concurrent generations and leaves their tokens alone", async () => {
  const w = world({ stages: 3, seed: 9 });
  const inboxes = [];
  for (let i = 0; i < 5; i++) inboxes.push(await w.start(`g${i}`));
  const outcomes = await w.sim.until(Promise.all(inboxes.map(read)));
  for (const { tokens } of outcomes) assert.deepEqual(tokens, expected);
  const ends = outcomes.map(({ done }) => done.ttft_ms + 19 * done.tpot_ms);
  assert.ok(Math.max(...ends) < 2 * Math.min(...ends), `fair: ${ends}`);
  await assertOver(w);
});

Deno.test("generationActor ends at EOS and at a stop, with the text that the codec held back", async () => {
  const eos = expected[7];
  const first = await world().answer("eos", { eos: [eos] });
  assert.deepEqual(first.tokens, expected.slice(0, expected.indexOf(eos)));
  assert.equal(first.done.finish, "stop");

  let n = 0;
  const stopping = world({
    codec: () => ({
      push: (t) => ({ text: n === 4 ? "" : `${t} `, stopped: ++n === 5 }),
      flush: () => "never",
      tokenText: String,
    }),
  });
  const second = await stopping.answer("stop");
  assert.equal(second.done.finish, "stop");
  assert.equal(second.done.completion_tokens, 5);
  assert.equal(second.text.includes("never"), false);
});

Deno.test("generationActor.cancel stops the stages within a frame and closes the request", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const w = world({ stages: 3, seed, drafter: { right: (n) => n % 3 > 0 } });
    const { sim, api, engines, start } = w;
    const inbox = await start("g", { max_tokens: 1000, mode: seed % 2 ? "plain" : "speculative" });
    for (let i = 0; i < 5; i++) await sim.until(inbox.next());
    await sim.until(api.tell(address("d", "generation", "g"), { type: "cancel" }));
    inbox.close();
    await sim.run({ forMs: 100 });
    const frames = engines.map(([e]) => e.frames);
    await sim.run({ forMs: 10_000 });
    assert.deepEqual(engines.map(([e]) => e.frames), frames, "no stage worked on");
    await assertOver(w);
  }
});

Deno.test("generationActor ends when its client is gone", async () => {
  const w = world();
  const inbox = await w.start("g", { max_tokens: 1000 });
  await w.sim.until(inbox.next());
  inbox.close();
  await assertOver(w);
});

Deno.test("generationActor waits, and does not grow, while its client does not read", async () => {
  const { sim, engines, start } = world({ stages: 1 });
  const inbox = await start("g", { max_tokens: 1000, prompt: Int32Array.of(1) });
  await sim.run({ forMs: 10_000 });
  const frames = engines[0][0].frames;
  assert.ok(frames < 12, `${frames} frames ran for a client with room for 4 deltas`);
  for (let i = 0; i < 10; i++) await sim.until(inbox.next());
  await sim.run({ forMs: 10_000 });
  assert.ok(engines[0][0].frames > frames);
});

Deno.test("generationActor ends with the error of a frame that makes no sense, and the next one is served", async () => {
  const w = world({ stages: 2 });
  const inbox = await w.start("g");
  await w.sim.run({ forMs: 30 });
  const init = { group: "engine", code: "bad_frame", message: "too small" };
  w.engines[1][0].failNext = new OrreryError(init);
  const { type, error } = await w.sim.until(read(inbox));
  assert.equal(type, "failed");
  assert.equal(error.code, "bad_frame");
  await assertOver(w);
  assert.deepEqual((await w.answer("next")).tokens, expected);
});

Deno.test("generationActor goes on when an engine fails and is replaced", async () => {
  for (const stage of [0, 1]) {
    const w = world({ stages: 2 });
    const inbox = await w.start("g");
    await w.sim.run({ forMs: 30 });
    const init = { group: "engine", code: "engine_failed", message: "out of luck" };
    w.engines[stage][0].failNext = new OrreryError(init);
    const { type, tokens } = await w.sim.until(read(inbox));
    assert.equal(type, "done");
    assert.deepEqual(tokens, expected);
    assert.equal(w.engines[stage].length, 2);
    await assertOver(w);
  }
});

Deno.test("generationActor fails after the silence deadline when a stage hangs", async () => {
  const { sim, engines, start } = world({ stages: 2 });
  const inbox = await start("g");
  await sim.until(inbox.next());
  engines[1][0].hang = true;
  assert.equal((await sim.until(read(inbox))).error.code, "stages_silent");
});

Deno.test("generationActor fails when the node of a stage dies", async () => {
  for (const dead of [0, 1, 2]) {
    const { sim, start, generations } = world({ stages: 3, seed: dead });
    const inbox = await start("g", { max_tokens: 500 });
    await sim.until(inbox.next());
    sim.crash(`s${dead}`);
    const { error } = await sim.until(read(inbox));
    assert.ok(["peer_lost", "stages_silent"].includes(error.code), error.code);
    await sim.run({ forMs: 20_000 });
    assert.deepEqual(generations(), []);
  }
});

Deno.test("generationActor fails when its arbiter is absent or ends", async () => {
  const absent = world();
  const lost = await absent.answer("g", { arbiter: address("d", "nobody", "x") });
  assert.equal(lost.type, "failed");
  assert.equal(lost.error.code, "unknown_kind");

  const w = world({ silenceMs: 2_000 });
  const inbox = await w.start("g", { max_tokens: 500 });
  await w.sim.until(inbox.next());
  // Told that its deployment is retired while it is told that the generation is over, it drops its
  // rows.
  await w.sim.until(
    w.api.tell(ARBITER, { type: "close", generation: address("d", "generation", "g") }),
  );
  const { error } = await w.sim.until(read(inbox));
  assert.equal(error.code, "stages_silent");
  await assertOver(w);
});

Deno.test("generationActor does not delay the close of its node", async () => {
  const { sim, api, start } = world({ stages: 2 });
  const inbox = await start("g", { max_tokens: 500 });
  await sim.until(inbox.next());
  const outcome = read(inbox);
  const closed = api.close({ deadlineMs: 1_000 });
  const { type, error } = await sim.until(outcome);
  assert.equal(type, "failed");
  assert.ok(["generation_stopped", "arbiter_stopped"].includes(error.code), error.code);
  await sim.until(closed);
});

Deno.test("stageActor.retire serves open requests and then returns the engine", async () => {
  const { sim, systems, engines, start } = world({ stages: 2 });
  const inbox = await start("g");
  await sim.until(inbox.next());
  for (const i of [0, 1]) {
    await sim.until(systems[i].tell(stageAddress("d", i), { type: "retire" }));
  }
  assert.equal((await sim.until(read(inbox))).done.finish, "length");
  await sim.run({ forMs: 1_000 });
  for (const [engine] of engines) assert.equal(engine.disposed, true);
});

Deno.test("stageActor.retire frees arenas whose arbiter is gone at once, and with moved all of them", async () => {
  for (const moved of [false, true]) {
    const { sim, systems, engines, start } = world({ stages: 2 });
    const inbox = await start("g", { max_tokens: 500 });
    await sim.until(inbox.next());
    if (!moved) sim.crash("api");
    await sim.run({ forMs: 1_000 });
    await sim.until(systems[0].tell(stageAddress("d", 0), { type: "retire", moved }));
    await sim.run({ forMs: 15_000 });
    assert.equal(engines[0][0].disposed, true, `moved: ${moved}`);
  }
});

Deno.test("generationActor fails when its codec throws, and leaves nothing behind", async () => {
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
    const w = world({ codec });
    assert.equal((await w.answer("g")).type, "failed", when);
    await w.sim.run({ forMs: 1_000 });
    assert.deepEqual(w.generations(), [], when);
    if (when === "at a token") assert.equal((await w.arbiter()).requests, 0);
  }
});

Deno.test("generationActor does not run when it is cancelled before its first turn", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const { sim, api, engines, startOf } = world({ seed });
    const to = address("d", "generation", "g");
    api.inbox(address("d", "client", "g"));
    await sim.until(Promise.all([api.tell(to, startOf("g")), api.tell(to, { type: "cancel" })]));
    await sim.run({ forMs: 10_000 });
    assert.deepEqual(engines, [[], []]);
    assert.deepEqual(api.status(), []);
  }
});

Deno.test("Generation tells an arbiter that is busy for a minute that the request is over", async () => {
  const sim = new Simulation({ seed: 1 });
  const system = sim.node("api", directoryOf(() => "api"));
  const told: string[] = [];
  const any = z.looseObject({});
  const slowArbiter = defineActor({
    kind: "arbiter",
    config: z.object({}),
    messages: { open: any, rows: any, drop: any, close: any },
    create: () => ({
      open: () => new Promise<void>((resolve) => void sim.clock.after(60_000, resolve)),
      rows: () => {},
      drop: () => {},
      close: () => void told.push("close"),
    }),
  });
  system.register(slowArbiter, { config: {} });
  system.register(generationActor, {
    config: generationActor.config.parse({}),
    resources: () => ({ codec: plainCodec }),
  });
  const { startOf } = world();
  const generation = address("d", "generation", "g");
  using _client = system.inbox(address("d", "client", "g"));
  await sim.until(system.tell(generation, startOf("g")));
  await sim.run({ forMs: 100 });
  await sim.until(system.tell(generation, { type: "cancel" }));
  await sim.run({ forMs: 20_000 });
  assert.deepEqual(told, []);
  await sim.run({ forMs: 60_000 });
  assert.deepEqual(told, ["close"]);
});
