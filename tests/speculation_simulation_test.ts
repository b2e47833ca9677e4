/**
 * Speculation is lossless: whatever the drafter says, the tokens are those of plain decoding. Under
 * the simulator, on toy stages.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Sampling, samplingSchema, seededRandom } from "../actors/mod.ts";
import { SPECULATION } from "./simulations/speculation.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";
import {
  LAYERS,
  plainCodec,
  prompt,
  read,
  type ToyDrafter,
  toyTokens,
  world,
} from "./support/generation_world.ts";
import { NgramDrafter } from "../actors/pipeline/ngram.ts";
import { SuffixDrafter } from "../actors/pipeline/suffix.ts";
import { withMethods } from "./support/with_methods.ts";
import { toyAnswer } from "./support/toy_engine.ts";
import { DEVICES, stageMs } from "./bench/speculation/devices.ts";

const TOKENS = 32;
const greedy = samplingSchema.parse({});
const seeded = samplingSchema.parse({ temperature: 0.8, seed: 17 });
const plain = async (sampling: Sampling) => await toyAnswer(prompt, TOKENS, LAYERS, sampling);

const chances = (share: number, seed = 5): ToyDrafter["right"] => {
  const random = seededRandom(seed);
  return () => random() < share;
};

const drafters: Record<string, () => ToyDrafter> = {
  "always right": () => ({ right: () => true, chance: 0.9 }),
  "always wrong": () => ({ right: () => false }),
  "right half of the time": () => ({ right: chances(0.5), chance: 0.8 }),
  "wrong with the truth beside it": () => ({ right: chances(0.4), alternatives: true }),
  "that refuses after 4 drafts": () => ({
    right: chances(0.9),
    chance: 0.9,
    diesAfter: 4,
    dies: "refuses",
  }),
  "that falls silent after 4 drafts": () => ({ right: () => true, diesAfter: 4, dies: "silent" }),
  "that crashes after 4 drafts": () => ({ right: () => true, diesAfter: 4, dies: "crashes" }),
};

for (const [name, drafter] of Object.entries(drafters)) {
  Deno.test(`generationActor in mode speculative gives the plain tokens with a drafter ${name}`, async () => {
    for (const sampling of [greedy, seeded]) {
      const expected = await plain(sampling);
      for (const stages of [1, 2, 4]) {
        for (let draft_length = 0; draft_length <= 8; draft_length++) {
          if (sampling === seeded && draft_length % 3 !== 1) continue;
          const w = world({ stages, drafter: drafter(), seed: 10 * stages + draft_length });
          const outcome = await w.answer("g", {
            mode: "speculative",
            draft_length,
            sampling,
            max_tokens: TOKENS,
          });
          const where =
            `${stages} stages, drafts of ${draft_length}, temperature ${sampling.temperature}`;
          assert.deepEqual(outcome.tokens, expected, where);
          const { drafted, accepted, mode } = outcome.done.orrery;
          assert.ok(accepted <= drafted, where);
          assert.equal(mode, drafted > 0 ? "speculative" : "plain");
          if (draft_length === 0) assert.equal(drafted, 0);
          if (name === "always right" && draft_length >= 2) {
            assert.ok(accepted >= TOKENS / 2, where);
          }
        }
      }
    }
  });
}

Deno.test("generationActor in mode speculative gives the plain tokens for any prompt, seed and drafter", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        prompt: fc.array(fc.integer({ min: 0, max: 250 }), { minLength: 1, maxLength: 30 }),
        temperature: fc.constantFrom(0, 1),
        seed: fc.nat(1000),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
        alternatives: fc.boolean(),
        draft_length: fc.integer({ min: 1, max: 8 }),
        max_tokens: fc.integer({ min: 1, max: 24 }),
        eosAt: fc.integer({ min: 0, max: 30 }),
        stages: fc.constantFrom(1, 2, 4),
        ms: fc.integer({ min: 0, max: 30 }),
      }),
      async (c) => {
        const sampling = samplingSchema.parse({ temperature: c.temperature, seed: c.seed });
        const all = toyTokens(c.prompt, 31, sampling);
        const eos = all[c.eosAt];
        const end = all.indexOf(eos);
        const drafter = {
          right: chances(c.share, c.seed),
          alternatives: c.alternatives,
          ms: c.ms,
          chance: 0.7,
        };
        const w = world({ stages: c.stages, seed: c.seed, drafter });
        const { tokens, done } = await w.answer("g", {
          mode: "speculative",
          prompt: Int32Array.from(c.prompt),
          sampling,
          draft_length: c.draft_length,
          max_tokens: c.max_tokens,
          eos: [eos],
        });
        assert.deepEqual(tokens, all.slice(0, Math.min(end, c.max_tokens)));
        assert.equal(done.finish, end < c.max_tokens ? "stop" : "length");
        assert.equal(done.completion_tokens, Math.min(end + 1, c.max_tokens));
      },
    ),
    { numRuns: 60, seed: 7 },
  );
});

Deno.test("generationActor in mode speculative ends at a stop string inside a draft as plain decoding does", async () => {
  const expected = await plain(greedy);
  for (let at = 0; at < 12; at++) {
    const stop = `${expected[at]} ${expected[at + 1]} `;
    const codec = () => {
      let text = "";
      return {
        ...plainCodec(),
        push: (t: number) => {
          text += `${t} `;
          return { text: `${t} `, stopped: text.endsWith(stop) };
        },
      };
    };
    const answers = [];
    for (const mode of ["plain", "speculative"]) {
      const w = world({ codec, drafter: { right: () => true, chance: 0.9 } });
      const { text, done } = await w.answer("g", { mode, max_tokens: TOKENS });
      answers.push({ text, finish: done.finish, tokens: done.completion_tokens });
    }
    assert.deepEqual(answers[0], answers[1], `stop after ${at + 2} tokens`);
    assert.equal(answers[0].finish, "stop");
  }
});

Deno.test("generationActor in mode speculative rarely tries a drafter that is always wrong", async () => {
  const w = world({ stages: 1, drafter: { right: () => false, chance: 0.6 } });
  const { done } = await w.answer("g", { mode: "speculative", max_tokens: 300 });
  const { drafted, accepted } = done.orrery;
  assert.equal(accepted, 0);
  assert.ok(drafted >= 10 && drafted < 60, `${drafted} rows for 300 tokens`);
});

Deno.test("generationActor in mode speculative is faster with a right drafter, hardly slower with a wrong one", async () => {
  for (const stages of [1, 2, 4]) {
    const speed = async (mode: string, right: ToyDrafter["right"]) => {
      const frameMs = (rows: number) => (60 + 9 * (rows - 1)) / stages;
      const w = world({ stages, frameMs, drafter: { right, chance: 0.8, ms: 1 } });
      return (await w.answer("g", { mode, max_tokens: 120 })).done.orrery.tokens_per_s;
    };
    const base = await speed("plain", () => true);
    assert.ok(await speed("speculative", () => true) > 2.5 * base, `${stages} stages`);
    assert.ok(
      await speed("speculative", chances(0.8)) > 1.4 * base,
      `${stages} stages, 80 % right`,
    );
    assert.ok(await speed("speculative", () => false) > 0.9 * base, `${stages} stages, all wrong`);
  }
});

Deno.test("generationActor in mode speculative drafts by n-grams, and says so, when the draft model dies", async () => {
  const drafter: ToyDrafter = { right: () => true, chance: 0.9, diesAfter: 2, dies: "refuses" };
  const { tokens, done } = await world({ drafter }).answer("g", {
    mode: "speculative",
    max_tokens: TOKENS,
  });
  assert.deepEqual(tokens, await plain(greedy));
  assert.match(done.orrery.why, /the draft model was given up: no draft model/);
});

Deno.test("generationActor in mode speculative gives a silent drafter up at little cost", async () => {
  const speed = async (mode: string) => {
    const w = world({ drafter: { right: () => true, chance: 0.9, diesAfter: 3, dies: "silent" } });
    return (await w.answer("g", { mode, max_tokens: 500 })).done.orrery;
  };
  const plain = await speed("plain");
  const silent = await speed("speculative");
  assert.match(silent.why, /the draft model was given up: it said nothing for 10000 ms/);
  assert.ok(
    silent.tokens_per_s > 0.9 * plain.tokens_per_s,
    `${silent.tokens_per_s} of ${plain.tokens_per_s}`,
  );
});

Deno.test("generationActor in mode speculative drafts from a prompt that holds the answer, without a model", async () => {
  // The toy model repeats nothing by itself: look for a prompt whose next token followed its last
  // one before.
  let again: number[] = [];
  for (let c = 0; again.length === 0; c++) {
    const candidate = [c % 251, 1 + Math.floor(c / 251), 33, 44, c % 251, 1 + Math.floor(c / 251)];
    if (toyTokens(candidate, 1, greedy)[0] === 33) again = candidate;
  }
  const { tokens, done } = await world().answer("g", {
    prompt: Int32Array.from(again),
    mode: "auto",
  });
  assert.deepEqual(tokens, toyTokens(again, 20, greedy));
  assert.equal(done.orrery.mode, "speculative");
  assert.ok(done.orrery.drafted > 0, done.orrery.why);
});

Deno.test("generationActor looks drafts up beside a draft model where they are expected to give more", async () => {
  const random = seededRandom(3);
  const fresh = (count: number) => Array.from({ length: count }, () => Math.floor(random() * 251));
  const prompt = fresh(80);
  // The first half of the answer is new, the second one copies the prompt.
  const all = [...prompt, ...fresh(80), ...prompt.slice(10)];
  const script = { vocab: 251, token: (position: number) => all[position] ?? 0 };
  for (const stages of [1, 4]) {
    const speed = async (drafts: { model: boolean; lookups: boolean }) => {
      const frameMs = (rows: number) => (60 + 4 * (rows - 1)) / stages;
      const drafter: ToyDrafter = { right: chances(0.7), chance: 0.7, ms: 8 };
      const run = async () => {
        const w = world({ stages, frameMs, script, ...(drafts.model && { drafter }) });
        const request = { prompt: Int32Array.from(prompt), max_tokens: 150, mode: "auto" };
        const { measured } = (await w.answer("first", request)).done;
        const { tokens, done } = await w.answer("second", { ...request, measured });
        assert.deepEqual(tokens, all.slice(80));
        return done.orrery.tokens_per_s;
      };
      const nothing = () => ({ tokens: [], chances: [] });
      return drafts.lookups
        ? await run()
        : await withMethods(SuffixDrafter, { draft: nothing }, () =>
          withMethods(NgramDrafter, {
            draft: () => ({ tokens: new Int32Array(), chances: new Float32Array() }),
          }, run));
    };
    const lookups = await speed({ model: false, lookups: true });
    const model = await speed({ model: true, lookups: false });
    const both = await speed({ model: true, lookups: true });
    assert.ok(both > 1.1 * Math.max(lookups, model), `${both}, ${lookups} and ${model} tokens/s`);
  }
});

Deno.test("generationActor in mode speculative begins with what the last request measured", async () => {
  const w = world({ stages: 1, drafter: { right: () => false, chance: 0.6 } });
  const first = await w.answer("a", { mode: "speculative", max_tokens: 60 });
  const second = await w.answer("b", {
    mode: "speculative",
    max_tokens: 30,
    measured: first.done.measured,
  });
  assert.ok(first.done.orrery.drafted > 0);
  assert.equal(second.done.orrery.drafted, 0);
  assert.deepEqual(second.tokens, first.tokens.slice(0, 30));
});

Deno.test("generationActor in mode speculative gives concurrent requests their own tokens", async () => {
  const w = world({ stages: 2, drafter: { right: chances(0.7), chance: 0.7 } });
  const prompts = Array.from({ length: 5 }, (_, k) => prompt.map((t, i) => (t + k * i) % 251));
  const outcomes = await w.sim.until(Promise.all(prompts.map(async (p, k) => {
    const inbox = w.api.inbox(w.startOf(`g${k}`).client, { capacity: 4 });
    await w.api.tell(`d/generation/g${k}`, w.startOf(`g${k}`, { prompt: p, mode: "speculative" }));
    return await read(inbox);
  })));
  for (const [k, { tokens }] of outcomes.entries()) {
    assert.deepEqual(tokens, toyTokens(Array.from(prompts[k]), 20, greedy));
  }
  await w.sim.run({ forMs: 5_000 });
  assert.equal((await w.arbiter()).requests, 0);
});

Deno.test("generationActor drafts what the client predicts, and the tokens stay the same", async () => {
  const expected = await plain(greedy);
  const wrong = expected.map((t, i) => i % 6 === 5 ? (t + 1) % 251 : t);
  for (const stages of [1, 2, 4]) {
    const cases: [string, number[], number, number][] = [
      ["all of it", expected, TOKENS - 8, TOKENS],
      ["with every sixth token wrong", wrong, 4, TOKENS],
      ["nothing of it", expected.map((t) => (t + 7) % 251), 0, 4],
    ];
    for (const [name, prediction, least, most] of cases) {
      for (const mode of ["auto", "speculative", "plain"]) {
        const w = world({ stages, drafter: { right: () => true, chance: 0.9 } });
        const { tokens, done } = await w.answer("g", {
          mode,
          max_tokens: TOKENS,
          prediction: Int32Array.from(prediction),
        });
        const where = `${name}, ${stages} stages, ${mode}`;
        assert.deepEqual(tokens, expected, where);
        const { accepted, drafted } = done.orrery;
        if (mode === "plain") assert.equal(drafted, 0, where);
        else {
          assert.ok(accepted >= least && accepted <= most, `${where}: ${accepted} of ${drafted}`);
          assert.match(done.orrery.why, /drafts come from the prediction/);
          assert.deepEqual(Object.keys(done.measured), ["prediction", "predicted_pace"]);
        }
      }
    }
  }
});

Deno.test("generationActor keeps the draft model out of auto only when the planned draft length is 0", async () => {
  const drafter = (): ToyDrafter => ({ right: () => true, chance: 0.9 });
  const shape = { ...world().startOf("x").shape, draft_length: 0 };
  const auto =
    (await world({ drafter: drafter() }).answer("g", { mode: "auto", shape })).done.orrery;
  assert.equal(auto.drafted, 0);
  assert.match(auto.why, /the plan says that a draft model does not pay/);
  const asked =
    (await world({ drafter: drafter() }).answer("g", { mode: "speculative", shape })).done.orrery;
  assert.ok(asked.drafted > 0, asked.why);
  const unplanned = (await world({ drafter: drafter() }).answer("g", { mode: "auto" })).done.orrery;
  assert.ok(unplanned.drafted > 0, unplanned.why);
});

Deno.test("generationActor drafts trees if the request says so", async () => {
  const rows = async (draft_tree?: boolean) => {
    const drafter: ToyDrafter = { right: chances(0.4), alternatives: true, chance: 0.5 };
    const { tokens, done } = await world({ drafter }).answer("g", {
      mode: "speculative",
      draft_length: 4,
      max_tokens: TOKENS,
      draft_tree,
    });
    assert.deepEqual(tokens, await plain(greedy));
    return done.orrery;
  };
  const [chain, tree] = [await rows(false), await rows(true)];
  assert.ok(
    tree.drafted > chain.drafted,
    `${tree.drafted} rows of trees, ${chain.drafted} of chains`,
  );
  assert.ok(tree.accepted > chain.accepted, "the truth stands beside the wrong choice");
});

Deno.test("generationActor goes on with speculation that was asked for with a length, unlike auto", async () => {
  const drafted = async (mode: string) => {
    const w = world({ stages: 1, drafter: { right: () => false, chance: 0.6, ms: 5 } });
    const { tokens, done } = await w.answer("g", { mode, draft_length: 3, max_tokens: 100 });
    assert.deepEqual(tokens, toyTokens(Array.from(prompt), 100, greedy));
    return done.orrery.drafted;
  };
  const [asked, auto] = [await drafted("speculative"), await drafted("auto")];
  assert.ok(asked > 250, `${asked} rows for 100 tokens`);
  assert.ok(auto < 60, `${auto} rows`);
});

Deno.test("generationActor gives the plain tokens with misses, slow links, other requests and cancellations, and leaks no row", async () => {
  await assertSeeds(SPECULATION, seedsFrom(0, 24));
});

for (const broken of SPECULATION.broken) {
  Deno.test(`SPECULATION.run() notices ${broken.name}`, () => assertCaught(broken));
}

Deno.test("generationActor in mode auto is never much slower than plain decoding on devices with a quota, and gives its tokens", async () => {
  const truth = toyTokens(Array.from(prompt), 240, greedy);
  for (const stages of [1, 4]) {
    for (const [share, ms] of [[0.05, 2], [0.4, 2], [0.4, 30]]) {
      const w = world({
        stages,
        latencyMs: { min: 0.3, max: 1 },
        frameMs: stageMs(DEVICES.limited, stages),
        drafter: { right: chances(share), chance: 0.5, ms },
      });
      const speeds: number[] = [];
      let measured: Record<string, number[]> | undefined;
      for (const mode of ["plain", "auto", "auto"]) {
        const { tokens, done } = await w.answer(`g${speeds.length}`, {
          mode,
          max_tokens: truth.length,
          ...(mode === "auto" && { measured }),
        });
        assert.deepEqual(tokens, truth);
        if (mode === "auto") measured = done.measured;
        speeds.push(1 / done.tpot_ms!);
      }
      const [plain, first, second] = speeds.map((speed) => speed / speeds[0]);
      const where = `${stages} stages, ${share} come true, ${ms} ms a draft: ${first}, ${second}`;
      assert.ok(first > 0.8 * plain, where); // it measures every way
      assert.ok(second > 0.96 * plain, where);
    }
  }
});
