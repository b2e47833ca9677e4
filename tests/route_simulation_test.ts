/**
 * Two routes for a request, the pipeline and a stage with the whole model, under the deterministic
 * simulator: the tokens are the same, and a route that fails costs the client nothing but time.
 */
import assert from "node:assert/strict";
import {
  address,
  arbiterActor,
  OrreryError,
  samplingSchema,
  shapeSchema,
  SOLO,
  stageAddress,
} from "../actors/mod.ts";
import { Experience } from "../runtime/serve/experience.ts";
import { ROUTE } from "./simulations/route.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";
import { coreMs, DEVICES, stageMs } from "./bench/speculation/devices.ts";
import { prompt, read, SOLO_ARBITER, toyTokens, world } from "./support/generation_world.ts";

const TOKENS = 24;
const MODES = ["plain", "speculative"] as const;
const greedy = samplingSchema.parse({});
const seeded = samplingSchema.parse({ temperature: 0.8, seed: 17 });
const expected = (sampling = greedy) => toyTokens(Array.from(prompt), TOKENS, sampling);
const quick = { frameMs: (rows: number) => 4 + rows };

/** A shape with the plan's figures of both routes, in milliseconds. */
const planned = (one: { first: number; round: number }, pipeline: typeof one) => {
  const figures = ({ first, round }: typeof one) => ({
    first_token: [{ prompt_tokens: 64, ms: first }],
    round: [{ lanes: 1, ms: round }],
  });
  return shapeSchema.parse({ routes: { one: figures(one), pipeline: figures(pipeline) } });
};
const SOLO_WINS = planned({ first: 60, round: 6 }, { first: 100, round: 40 });
const PIPELINE_WINS = planned({ first: 600, round: 60 }, { first: 100, round: 40 });

Deno.test("generationActor gives the same tokens by both routes, with drafts and without", async () => {
  for (const stages of [2, 4]) {
    for (const mode of MODES) {
      for (const sampling of [greedy, seeded]) {
        for (const route of ["one", "pipeline"] as const) {
          const drafter = { right: (n: number) => n % 3 > 0, chance: 0.8 };
          const w = world({ stages, solo: quick, drafter });
          const more = { route, mode, sampling, max_tokens: TOKENS };
          const { tokens, done } = await w.answer("g", more);
          const where = `${stages} stages, ${mode}, ${route}, temperature ${sampling.temperature}`;
          assert.deepEqual(tokens, expected(sampling), where);
          assert.equal(done.orrery.route, route);
          assert.equal(done.orrery.stages, route === "one" ? 1 : stages);
          assert.match(
            done.orrery.why,
            route === "one" ? /one node as asked/ : /pipeline as asked/,
          );
          assert.equal(w.wholes.length, route === "one" ? 1 : 0, "only the one that is used loads");
        }
      }
    }
  }
});

Deno.test("generationActor tells every token once, whichever route fails, on every seed", async () => {
  await assertSeeds(ROUTE, seedsFrom(0, 24));
});

for (const broken of ROUTE.broken) {
  Deno.test(`ROUTE.run() notices ${broken.name}`, () => assertCaught(broken));
}

Deno.test("generationActor takes the pipeline, and says so, where no node has the whole model", async () => {
  const { tokens, done } = await world({ stages: 2 }).answer("g", {
    route: "one",
    max_tokens: TOKENS,
  });
  assert.deepEqual(tokens, expected());
  assert.equal(done.orrery.route, "pipeline");
  assert.match(done.orrery.why, /no node has the whole model/);
});

Deno.test("generationActor chooses the route that the plan's figures say is quicker", async () => {
  for (const [shape, route] of [[SOLO_WINS, "one"], [PIPELINE_WINS, "pipeline"]] as const) {
    const w = world({ stages: 3, solo: quick });
    await w.sim.until(w.whole.ask(stageAddress("d", SOLO), { type: "warm" }));
    const { tokens, done } = await w.answer("g", { shape, max_tokens: TOKENS });
    assert.deepEqual(tokens, expected());
    assert.equal(done.orrery.route, route);
    assert.match(done.orrery.why, /one node would take .* s, the pipeline .* s/);
    assert.ok(done.measured[`${route}_plain`], "what it took is told to later requests");
  }
});

Deno.test("generationActor takes the pipeline while the whole model is not loaded, and has it loaded", async () => {
  const w = world({ stages: 2, solo: quick });
  const first = await w.answer("g", { shape: SOLO_WINS, max_tokens: TOKENS });
  assert.equal(first.done.orrery.route, "pipeline");
  assert.match(first.done.orrery.why, /while one node loads the model/);
  await w.sim.run({ forMs: 100 });
  const second = await w.answer("h", { shape: SOLO_WINS, max_tokens: TOKENS });
  assert.equal(second.done.orrery.route, "one", second.done.orrery.why);
  assert.deepEqual([first.tokens, second.tokens], [expected(), expected()]);
});

Deno.test("generationActor learns from a route that is slower than the plan says", async () => {
  const w = world({ stages: 2, solo: { frameMs: () => 80 } });
  await w.sim.until(w.whole.ask(stageAddress("d", SOLO), { type: "warm" }));
  const routes: string[] = [];
  let measured: Record<string, number[]> = {};
  for (let i = 0; i < 6; i++) {
    const { done } = await w.answer(`g${i}`, { shape: SOLO_WINS, max_tokens: TOKENS, measured });
    measured = { ...measured, ...done.measured };
    routes.push(done.orrery.route);
  }
  assert.equal(routes[0], "one");
  assert.equal(routes.at(-1), "pipeline");
});

const broken = new OrreryError({
  group: "engine",
  code: "engine_failed",
  message: "no memory for the model",
});
/** The engine is well, but the request cannot be run: nothing is rebuilt. */
const senseless = new OrreryError({ group: "engine", code: "bad_frame", message: "too small" });

Deno.test("generationActor goes on in the pipeline when the whole model cannot be loaded", async () => {
  const w = world({ stages: 2, solo: { ...quick, fails: broken } });
  const { tokens, done } = await w.answer("g", { route: "one", max_tokens: TOKENS });
  assert.deepEqual(tokens, expected());
  assert.equal(done.orrery.route, "pipeline");
  assert.match(done.orrery.why, /since one node failed: no memory for the model/);
  assert.ok(done.measured.one_failed[0] > 0);
  const next = await w.answer("h", {
    shape: SOLO_WINS,
    max_tokens: TOKENS,
    measured: done.measured,
  });
  assert.match(next.done.orrery.why, /one node failed a moment ago/);
});

Deno.test("generationActor tells the client nothing twice when the whole model fails at any token", async () => {
  for (const mode of MODES) {
    for (let read_before = 0; read_before < 8; read_before++) {
      const drafter = { right: (n: number) => n % 3 > 0, chance: 0.8 };
      const w = world({ stages: 2, solo: quick, drafter, seed: read_before });
      const inbox = await w.start("g", { route: "one", mode, max_tokens: TOKENS });
      const before: number[] = [];
      for (let i = 0; i < read_before; i++) {
        const delta = await w.sim.until(inbox.next());
        for (const t of (delta!.body as { tokens: { token: number }[] }).tokens) {
          before.push(t.token);
        }
      }
      if (read_before === 0) await w.sim.run({ forMs: 30 });
      w.wholes[0].failNext = senseless;
      const { tokens, text, done } = await w.sim.until(read(inbox));
      const where = `${mode}, after ${read_before} deltas`;
      assert.deepEqual([...before, ...tokens], expected(), where);
      assert.equal(text, tokens.map((t) => `${t} `).join(""), where);
      assert.equal(done.orrery.route, "pipeline", where);
      await w.sim.run({ forMs: 1_000 });
      assert.deepEqual(w.generations(), []);
      assert.equal((await w.arbiter()).requests, 0);
    }
  }
});

Deno.test("arbiterActor.lost sends the requests of a node that is gone to the pipeline", async () => {
  const w = world({ stages: 2, solo: quick });
  const inbox = await w.start("g", { route: "one", max_tokens: TOKENS });
  const first = await w.sim.until(inbox.next());
  w.sim.crash("whole");
  const error = { group: "cluster", code: "node_lost", message: "node whole is gone" };
  await w.sim.until(w.api.tell(SOLO_ARBITER, { type: "lost", error }));
  const { tokens, done } = await w.sim.until(read(inbox));
  const [{ token }] = (first!.body as { tokens: { token: number }[] }).tokens;
  assert.deepEqual([token, ...tokens], expected());
  assert.match(done.orrery.why, /since one node failed/);
});

Deno.test("generationActor fails as before when the pipeline fails too", async () => {
  const w = world({ stages: 2, solo: { ...quick, fails: broken } });
  const inbox = await w.start("g", { route: "one", max_tokens: 200 });
  await w.sim.until(inbox.next());
  w.engines[1][0].failNext = senseless;
  const { type, error } = await w.sim.until(read(inbox));
  assert.deepEqual([type, error.code], ["failed", "bad_frame"]);
});

Deno.test("arbiterActor.outlook says what waits, what decodes and what is cached", async () => {
  const w = world({ stages: 2 });
  const ask = () =>
    w.sim.until(
      w.api.at(arbiterActor, "d/arbiter/api").outlook({ prompt: prompt.slice(0, 30) }),
    );
  const inbox = await w.start("g", { max_tokens: 200 });
  await w.sim.until(inbox.next());
  const busy = await ask();
  assert.equal(busy.lanes, 1);
  assert.equal(busy.reused, 29, "the last row is always run");
  await w.sim.until(w.api.tell(address("d", "generation", "g"), { type: "cancel" }));
  await w.sim.run({ forMs: 100 });
  assert.deepEqual(await ask(), { lanes: 0, prompt_rows: 0, requests: 0, reused: 29 });
});

/**
 * Four devices whose core is 0.45 times as fast, and one of them with the whole model: plain tokens
 * come 0.9 times as fast from four as from one. The plan believes that they come 1.05 times as fast.
 */
function slowDevices() {
  const device = DEVICES.slow;
  const w = world({
    stages: 4,
    latencyMs: { min: 0.3, max: 1 },
    frameMs: stageMs(device, 4),
    solo: { frameMs: (rows, now) => one(rows, now, 0) },
  });
  const one = stageMs(device, 1);
  const figures = (firstRow: number, roundMs: (lanes: number) => number) => ({
    first_token: [16, 64, 256, 1024].map((n) => ({ prompt_tokens: n, ms: n * firstRow })),
    round: [1, 2, 4, 8, 16, 32].map((lanes) => ({ lanes, ms: roundMs(lanes) })),
  });
  const shape = shapeSchema.parse({
    routes: {
      one: figures(10.4, (lanes) => coreMs(lanes) / device.cores),
      pipeline: figures(4, (lanes) => 0.95 * coreMs(Math.ceil(lanes / 4)) / device.cores),
    },
  });
  const request = (promptRows: number, max_tokens: number, others = 0) => ({
    prompt: Int32Array.from({ length: promptRows }, (_, i) => (i * 31 + 7) % 251),
    max_tokens,
    reuse: false,
    shape,
    others,
  });
  const warm = () => w.sim.until(w.whole.ask(stageAddress("d", SOLO), { type: "warm" }));
  return { w, request, warm };
}

Deno.test("generationActor takes one node for long answers and four for long prompts, after few tries", async () => {
  const { w, request, warm } = slowDevices();
  await warm();
  const experience = new Experience();
  const routes: Record<"answers" | "prompts", string[]> = { answers: [], prompts: [] };
  for (let i = 0; i < 24; i++) {
    for (const [kind, rows, tokens] of [["answers", 16, 64], ["prompts", 512, 8]] as const) {
      const { done } = await w.answer(`${kind}${i}`, {
        ...request(rows, tokens),
        measured: experience.known.measured,
      });
      experience.learn(done);
      routes[kind].push(done.orrery.route);
    }
  }
  const tries = (kind: keyof typeof routes, route: string) =>
    routes[kind].filter((r) => r === route).length;
  assert.ok(tries("answers", "pipeline") <= 6, `${routes.answers}`);
  assert.ok(routes.answers.slice(6).filter((r) => r === "one").length >= 17, `${routes.answers}`);
  assert.ok(tries("prompts", "one") <= 1, `${routes.prompts}`);
});

Deno.test("generationActor does not send all requests that come at once to one node", async () => {
  const seconds = async (route: "auto" | "one" | "pipeline", requests: number) => {
    const { w, request, warm } = slowDevices();
    await warm();
    const experience = new Experience();
    for (let i = 0; i < 8; i++) {
      const { measured } = experience.known;
      experience.learn((await w.answer(`before${i}`, { ...request(16, 32), measured })).done);
    }
    const { measured } = experience.known;
    const began = w.sim.clock.now();
    const answers = await w.sim.until(Promise.all(
      Array.from(
        { length: requests },
        async (_, i) =>
          await read(await w.start(`g${i}`, { ...request(16, 32, i), route, measured })),
      ),
    ));
    const taken = answers.filter(({ done }) => done.orrery.route === "one").length;
    return { seconds: (w.sim.clock.now() - began) / 1000, one: taken };
  };
  for (const requests of [2, 4, 16]) {
    const [auto, one, pipeline] = [
      await seconds("auto", requests),
      await seconds("one", requests),
      await seconds("pipeline", requests),
    ];
    const best = Math.min(one.seconds, pipeline.seconds);
    const facts = JSON.stringify({ requests, auto, one: one.seconds, pipeline: pipeline.seconds });
    assert.ok(auto.seconds < 1.1 * best, facts);
    assert.ok(requests < 16 || auto.one <= 4, facts);
  }
});
