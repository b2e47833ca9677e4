import assert from "node:assert/strict";
import type { Sampling } from "../../actors/pipeline/mod.ts";
import { hasCode } from "../../actors/system/errors.ts";
import {
  logitsRow,
  logProbs,
  reference,
  settings,
} from "../../tests/support/sampling_reference.ts";
import { type History, sample as sampleRow } from "./sampler.ts";

/** The token of a row of logits. */
const sample = (logits: Float32Array, sampling: Sampling, history: History) =>
  sampleRow(logitsRow(logits), sampling, history);

const none: History = { tokens: new Int32Array(), promptRows: 0, position: 1 };
const at = (position: number): History => ({ ...none, position });
const after = (tokens: number[], promptRows: number): History => ({
  tokens: Int32Array.from(tokens),
  promptRows,
  position: tokens.length,
});
const logits = (...values: number[]) => Float32Array.from(values);

/**
 * Chi-square statistic of `n` draws against expected probabilities; tokens of probability 0 must
 * never be drawn.
 */
function chiSquare(values: number[], sampling: Sampling, expected: number[], n: number): number {
  const seen = new Array(values.length).fill(0);
  for (let i = 0; i < n; i++) seen[sample(Float32Array.from(values), sampling, at(i)).token]++;
  return expected.reduce((sum, p, id) => {
    if (p === 0) {
      assert.equal(seen[id], 0, `token ${id} was cut off but drawn ${seen[id]} times`);
      return sum;
    }
    return sum + (seen[id] - p * n) ** 2 / (p * n);
  }, 0);
}

Deno.test("sample() takes the best token and the lowest id of equal ones, at temperature 0", () => {
  assert.equal(sample(logits(1, 5, 3, 5), settings(), none).token, 1);
  assert.equal(sample(logits(-7, -9, -7), settings({ top_k: 2, min_p: 0.5 }), none).token, 0);
});

Deno.test("sample() adds logit_bias before everything else and never takes a banned token", () => {
  assert.equal(sample(logits(1, 2, 3), settings({ logit_bias: [[0, 5]] }), none).token, 0);
  assert.equal(
    sample(logits(1, 2, 3), settings({ banned: [2], logit_bias: [[2, 100]] }), none).token,
    1,
  );
  // A bias makes the logit positive, so that the repetition penalty divides it: 6 / 2 < 4.
  assert.equal(
    sample(logits(-1, 4), settings({ logit_bias: [[0, 7]], repetition_penalty: 2 }), after([0], 1))
      .token,
    1,
  );
  for (let i = 0; i < 200; i++) {
    assert.notEqual(
      sample(logits(1, 2, 3), settings({ temperature: 2, banned: [2] }), at(i)).token,
      2,
    );
  }
});

Deno.test("sample() ignores biases and bans of tokens beyond the vocabulary", () => {
  assert.equal(
    sample(logits(1, 2), settings({ logit_bias: [[7, 100]], banned: [9] }), none).token,
    1,
  );
});

Deno.test("sample() applies the repetition penalty to prompt and generated tokens, towards less likely on both signs", () => {
  const s = settings({ repetition_penalty: 2 });
  assert.equal(sample(logits(5, 4), s, after([0], 1)).token, 1);
  assert.equal(sample(logits(5, 4), s, after([1, 0], 1)).token, 0);
  assert.equal(sample(logits(-2, -3), s, after([0], 0)).token, 1);
  // Once for a token, however often it stands there: 5 / 2 > 2.4.
  assert.equal(sample(logits(5, 2.4), s, after([0, 0, 0], 3)).token, 0);
});

Deno.test("sample() applies presence and frequency penalties to generated tokens only", () => {
  const presence = settings({ presence_penalty: 2 });
  assert.equal(sample(logits(5, 4), presence, after([0, 0], 2)).token, 0);
  assert.equal(sample(logits(5, 4), presence, after([0, 0], 1)).token, 1);
  const frequency = settings({ frequency_penalty: 0.6 });
  assert.equal(sample(logits(5, 4), frequency, after([1, 0], 1)).token, 0);
  assert.equal(sample(logits(5, 4), frequency, after([1, 0, 0], 1)).token, 1);
});

Deno.test("sample() reports log-probabilities of the model's own logits, whatever the settings", () => {
  const values = [0.5, 2, -1, 1];
  const expected = logProbs(values);
  const s = settings({
    logprobs: true,
    top_logprobs: 2,
    temperature: 0.01,
    banned: [1],
    logit_bias: [[0, -1]],
    repetition_penalty: 3,
  });
  const got = sample(Float32Array.from(values), s, after([2], 1));
  assert.equal(got.token, 3);
  assert.ok(Math.abs(got.logprob! - expected[3]) < 1e-6, `${got.logprob} is not ${expected[3]}`);
  assert.deepEqual(got.top!.map(([id]) => id), [1, 3]);
  got.top!.forEach(([id, p]) => assert.ok(Math.abs(p - expected[id]) < 1e-6));
});

Deno.test("sample() reports no log-probabilities unless they are asked for", () => {
  assert.deepEqual(sample(logits(1, 2), settings(), none), { token: 1 });
  assert.equal(sample(logits(1, 2), settings({ top_logprobs: 20 }), none).top!.length, 2);
});

Deno.test("sample() refuses logits that are NaN or infinite, and names one", () => {
  for (const bad of [NaN, Infinity]) {
    assert.throws(
      () => sample(logits(1, bad, 2), settings(), none),
      (e) => hasCode(e, "bad_logits") && e.metadata.token === 1 && e.message.includes(String(bad)),
    );
  }
  assert.throws(
    () => sample(logits(1, 2), settings({ banned: [0, 1] }), none),
    (e) => hasCode(e, "no_token_left"),
  );
  assert.throws(
    () => sample(logits(1, 2), settings({ banned: [0, 1], temperature: 1, top_k: 1 }), none),
    (e) => hasCode(e, "no_token_left"),
  );
});

Deno.test("sample() draws a token by its seed and position alone", () => {
  const s = settings({ temperature: 1, seed: 42 });
  const run = (seed: number) =>
    Array.from(
      { length: 64 },
      (_, i) => sample(logits(0, 0, 0, 0, 0, 0, 0, 0), { ...s, seed }, at(i)).token,
    );
  assert.deepEqual(run(42), run(42));
  assert.notDeepEqual(run(42), run(43));
  assert.notDeepEqual(run(42).slice(1), run(43).slice(0, -1));
});

const VALUES = [1.2, 0.3, -0.5, 2.1, 0.3, -2, 1.9, 0];
for (
  const some of [
    { temperature: 1 },
    { temperature: 0.5, seed: 7 },
    { temperature: 2, top_k: 5, seed: 1 },
    { temperature: 1, top_p: 0.8, seed: 2 },
    { temperature: 1.5, min_p: 0.3, seed: 3 },
    { temperature: 1.3, top_k: 6, top_p: 0.9, min_p: 0.2, seed: 4 },
  ]
) {
  Deno.test(`sample() draws with the right frequencies under ${JSON.stringify(some)}`, () => {
    const s = settings(some);
    const expected = reference(VALUES, s);
    // 7 degrees of freedom at most: 99.9 % of such statistics lie below 24.3.
    const statistic = chiSquare(VALUES, s, expected, 20_000);
    assert.ok(statistic < 24.3, `chi-square ${statistic}`);
  });
}
