/**
 * Speculation changes no distribution: the argument of `actors/pipeline/drafter.ts`, counted.
 *
 * The target is a Markov chain of a few tokens, so the exact probability of every text of three
 * tokens is known. Each text is written with one seed by draft and verification, through the
 * sampler that the last stage uses; a chi-square statistic tells how far the counts are from the
 * exact ones. Wrong rules are counted as well: a test that does not see them is worth nothing.
 */
import assert from "node:assert/strict";
import { type Sampling, samplingSchema } from "../../actors/pipeline/frame.ts";
import { randomKey, uniform } from "../../actors/pipeline/random.ts";
import { logitsRow, reference } from "../../tests/support/sampling_reference.ts";
import { sample } from "./sampler.ts";

const VOCAB = 5;
const LENGTH = 3;
const TEXTS = VOCAB ** LENGTH;
const DRAWS = 12_000;
/** The last position: the first token is sampled for position PROMPT. */
const PROMPT = 40;

/** Logits after each token; row VOCAB is the prompt's end. */
const table = (spread: number, shift: number) =>
  Array.from(
    { length: VOCAB + 1 },
    (_, from) =>
      Float32Array.from({ length: VOCAB }, (_, to) => spread * Math.sin(3 * from + 7 * to + shift)),
  );
const TARGET = table(1.2, 0);
/** Logits of a model that is near the target, and of one that has nothing to do with it. */
const NEAR = table(1.2, 0.25);
const FAR = table(2, 2);

const SETTINGS: Partial<Sampling>[] = [
  { temperature: 1 },
  { temperature: 0.8, top_k: 4 },
  { temperature: 1.4, top_p: 0.9 },
];

/** What was chosen under some settings, by logits, seed and position. */
const CHOSEN = new Map<string, Map<Float32Array, Map<number, number>>>();

/**
 * One token by the sampler of the last stage. It is remembered: under each drafter the sampler is
 * asked the same again.
 */
function choose(logits: Float32Array, sampling: Sampling, position: number): number {
  const { seed, ...settings } = sampling;
  const key = Object.values(settings).map(String).join();
  const byLogits = CHOSEN.get(key) ?? new Map<Float32Array, Map<number, number>>();
  CHOSEN.set(key, byLogits);
  const known = byLogits.get(logits) ?? new Map<number, number>();
  byLogits.set(logits, known);
  const at = seed! * 64 + position;
  const token = known.get(at) ??
    sample(logitsRow(logits), sampling, { tokens: new Int32Array(0), promptRows: 0, position })
      .token;
  known.set(at, token);
  return token;
}

/** Probability of each token under these settings. */
function probabilities(logits: Float32Array, sampling: Sampling): number[] {
  return reference(Array.from(logits), sampling);
}

/** Guesses the token at a position after another. */
type Drafter = (previous: number, sampling: Sampling, position: number) => number;
/**
 * The token to write after `previous`, where the drafter guessed `draft` and the target chose
 * `chosen`; `extra` is a uniform random number in (0, 1).
 */
type Rule = (draft: number, chosen: number, previous: number, extra: number) => number;

const accept: Rule = (_draft, chosen) => chosen;

/**
 * Writes a text: drafts all tokens that are left, verifies them together, and repeats until the
 * text is whole. Counts the drafted tokens that were tried and accepted.
 */
function speculate(
  seed: number,
  base: Sampling,
  drafter: Drafter,
  rule: Rule,
  counts: { tried: number; accepted: number },
) {
  const sampling = { ...base, seed };
  const text: number[] = [];
  while (text.length < LENGTH) {
    const draft: number[] = [];
    for (let at = text.length; at < LENGTH; at++) {
      draft.push(drafter(draft.at(-1) ?? text.at(-1) ?? VOCAB, sampling, PROMPT + at));
    }
    let previous = text.at(-1) ?? VOCAB;
    for (const guess of draft) {
      const position = PROMPT + text.length;
      const chosen = choose(TARGET[previous], sampling, position);
      const written = rule(
        guess,
        chosen,
        previous,
        uniform(randomKey(seed + 1e6, position), VOCAB),
      );
      text.push(previous = written);
      counts.tried++;
      if (written !== guess) break; // the rest of the draft hangs on a token that is not there
      counts.accepted++;
    }
  }
  return text;
}

/**
 * How improbable these counts are under the exact probabilities, in standard deviations: the
 * chi-square statistic made normal by Wilson and Hilferty's formula.
 */
function surprise(counts: number[], exact: number[]): number {
  let chi = 0;
  let cells = 0;
  let restCount = 0, restExact = 0;
  const add = (count: number, expected: number) => {
    chi += (count - expected) ** 2 / expected;
    cells++;
  };
  counts.forEach((count, i) => {
    const expected = exact[i] * DRAWS;
    if (expected === 0) assert.equal(count, 0, "a text that cannot be was written");
    else if (expected >= 5) add(count, expected);
    else {
      restCount += count; // texts too rare for the statistic are counted together
      restExact += expected;
    }
  });
  if (restExact >= 5) add(restCount, restExact);
  const df = cells - 1;
  return (Math.cbrt(chi / df) - (1 - 2 / (9 * df))) / Math.sqrt(2 / (9 * df));
}

/**
 * Compares the texts of this drafter under this rule with the target's own distribution: `z` in
 * standard deviations, and the share of drafted tokens that were accepted.
 */
function examine(base: Sampling, drafter: Drafter, rule: Rule): { z: number; acceptance: number } {
  const found = new Array(TEXTS).fill(0);
  const counts = { tried: 0, accepted: 0 };
  for (let seed = 0; seed < DRAWS; seed++) {
    found[
      speculate(seed, base, drafter, rule, counts).reduce((code, token) => code * VOCAB + token, 0)
    ]++;
  }
  const p = TARGET.map((logits) => probabilities(logits, base));
  const exact = found.map((_, code) => {
    const text = Array.from(
      { length: LENGTH },
      (_, i) => Math.floor(code / VOCAB ** (LENGTH - 1 - i)) % VOCAB,
    );
    return text.reduce((product, token, i) => product * p[i === 0 ? VOCAB : text[i - 1]][token], 1);
  });
  return { z: surprise(found, exact), acceptance: counts.accepted / counts.tried };
}

/** A model that has logits of these tokens only, and draws with the target's random number. */
const trimmed = (model: Float32Array[], first: number, rows: number): Drafter =>
(
  previous,
  sampling,
  position,
) =>
  sample({ ...logitsRow(model[previous]), ranges: [{ first, rows }] }, sampling, {
    tokens: new Int32Array(0),
    promptRows: 0,
    position,
  }).token;

const best = (logits: Float32Array) => logits.indexOf(Math.max(...logits));
const worst = (logits: Float32Array) => logits.indexOf(Math.min(...logits));
/** A model that draws with the random number that the target will use. */
const coupled = (model: Float32Array[]): Drafter => (previous, sampling, position) =>
  choose(model[previous], sampling, position);
/** A model that draws with a random number of its own. */
const independent = (model: Float32Array[]): Drafter => (previous, sampling, position) =>
  choose(model[previous], { ...sampling, seed: sampling.seed + 5e5 }, position);

const DRAFTERS: Record<string, Drafter> = {
  "the target itself": coupled(TARGET),
  "a near model, coupled": coupled(NEAR),
  "a near model, not coupled": independent(NEAR),
  "a far model, coupled": coupled(FAR),
  "the target itself, trimmed to 3 tokens": trimmed(TARGET, 0, 3),
  "a near model, trimmed to 2 tokens": trimmed(NEAR, 2, 2),
  "the best token": (previous) => best(TARGET[previous]),
  "the worst token": (previous) => worst(TARGET[previous]),
  "one token always": () => 2,
};

for (const [i, settings] of SETTINGS.entries()) {
  const sampling = samplingSchema.parse(settings);
  Deno.test(`sample() keeps the target's distribution of texts, when they are drafted under ${JSON.stringify(settings)}`, () => {
    const rates: Record<string, number> = {};
    // Every drafter once; the first settings see them all.
    for (
      const [name, drafter] of Object.entries(DRAFTERS).filter((_, n) => i === 0 || n % 3 === i)
    ) {
      const { z, acceptance } = examine(sampling, drafter, accept);
      assert.ok(z < 4.5, `${name}: ${z.toFixed(1)} standard deviations off`);
      rates[name] = acceptance;
    }
    if (i > 0) return;
    assert.equal(rates["the target itself"], 1);
    // It is wrong only where the target chose a token that it has no logit of.
    assert.ok(
      rates["the target itself, trimmed to 3 tokens"] > 0.4,
      JSON.stringify(rates),
    );
    assert.ok(
      rates["a near model, coupled"] > rates["a near model, not coupled"] + 0.1,
      JSON.stringify(rates),
    );
    assert.ok(
      rates["the best token"] > 0.3 && rates["the worst token"] < 0.15,
      JSON.stringify(rates),
    );
  });
}

Deno.test("sample() keeps the target's distribution of texts, when the drafter is never right", () => {
  const sampling = samplingSchema.parse({ temperature: 1, top_k: 3 });
  const { z, acceptance } = examine(sampling, (previous) => worst(TARGET[previous]), accept);
  assert.equal(acceptance, 0);
  assert.ok(z < 4.5, `${z}`);
});

Deno.test("sample() writes the text of plain decoding with the same seed, whatever was drafted", () => {
  const sampling = samplingSchema.parse({ temperature: 1.1, top_p: 0.95 });
  for (let seed = 0; seed < 500; seed++) {
    const plain: number[] = [];
    for (let at = 0; at < LENGTH; at++) {
      plain.push(choose(TARGET[plain.at(-1) ?? VOCAB], { ...sampling, seed }, PROMPT + at));
    }
    for (const drafter of Object.values(DRAFTERS)) {
      assert.deepEqual(
        speculate(seed, sampling, drafter, accept, { tried: 0, accepted: 0 }),
        plain,
      );
    }
  }
});

Deno.test("sample() accepts and corrects a draft as the rejection rule says: p(d), else p without d", () => {
  const sampling = samplingSchema.parse({ temperature: 1 });
  const p = probabilities(TARGET[0], sampling);
  const found = new Array(VOCAB).fill(0);
  for (let seed = 0; seed < DRAWS; seed++) {
    found[choose(TARGET[0], { ...sampling, seed }, PROMPT)]++;
  }
  for (let guess = 0; guess < VOCAB; guess++) {
    const rate = found[guess] / DRAWS;
    assert.ok(Math.abs(rate - p[guess]) < 5 * Math.sqrt(p[guess] * (1 - p[guess]) / DRAWS));
    const rejected = DRAWS - found[guess];
    found.forEach((count, token) => {
      if (token === guess) return;
      const residual = p[token] / (1 - p[guess]);
      assert.ok(
        Math.abs(count / rejected - residual) < 5 * Math.sqrt(residual * (1 - residual) / rejected),
      );
    });
  }
});

const PLAIN = samplingSchema.parse({ temperature: 1 });
const [P, Q] = [TARGET, NEAR].map((model) => model.map((logits) => probabilities(logits, PLAIN)));

const WRONG: Record<string, [Drafter, Rule]> = {
  "accepts with the drafter's probability": [
    independent(NEAR),
    (draft, chosen, previous, extra) => extra < Q[previous][draft] ? draft : chosen,
  ],
  "accepts with p(d) and else draws from p, not from what is left": [
    (previous) => best(TARGET[previous]),
    (draft, chosen, previous, extra) => extra < P[previous][draft] ? draft : chosen,
  ],
  "accepts whatever the target finds likely": [
    independent(NEAR),
    (draft, chosen, previous) => P[previous][draft] > 0.2 ? draft : chosen,
  ],
};

for (const [name, [drafter, rule]] of Object.entries(WRONG)) {
  Deno.test(`examine() finds out a rule that ${name}`, () => {
    const { z } = examine(PLAIN, drafter, rule);
    assert.ok(z > 8, `only ${z.toFixed(1)} standard deviations off`);
  });
}
