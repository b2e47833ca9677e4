import assert from "node:assert/strict";
import fc from "fast-check";
import { CANDIDATE_LIMITS, mergePartials } from "../../actors/pipeline/partials.ts";
import { gumbel, randomKey } from "../../actors/pipeline/random.ts";
import { isAllowed, maskPart, type Sampling } from "../../actors/pipeline/mod.ts";
import { hasCode } from "../../actors/system/errors.ts";
import { headBounds } from "../../models/head_parts.ts";
import {
  logitsRow,
  logProbs,
  reference,
  settings,
} from "../../tests/support/sampling_reference.ts";
import { NO_OCCURRENCES, occurrencesOf, partialOf } from "./partial.ts";
import { sample } from "./sampler.ts";

/** Chooses by partials of the parts between these bounds, asking again for what is lacking. */
function byParts(
  values: Float32Array,
  options: {
    sampling: Sampling;
    position: number;
    history: Int32Array;
    bounds: number[];
    limits: readonly number[];
    allowed?: Int32Array;
    given?: number;
  },
) {
  const { sampling, position, history, bounds, limits, allowed, given } = options;
  const row = { sampling, vocab: values.length, position };
  const part = (index: number, limit: number) =>
    partialOf(values.slice(bounds[index], bounds[index + 1]), {
      ...row,
      first: bounds[index],
      occurrences: occurrencesOf(history, 2),
      limit,
      given,
      ...(allowed && {
        allowed: maskPart(allowed, { first: bounds[index], tokens: values.length - bounds[index] }),
        allowedFirst: bounds[index],
      }),
    });
  const parts = bounds.slice(1).map((_, index) => part(index, limits[0]));
  for (let round = 1;; round++) {
    const merged = mergePartials(parts, row);
    if (merged.kind !== "lacking") return { merged, round };
    assert.ok(round < limits.length, "the last limit lists everything");
    for (const index of merged.parts) parts[index] = part(index, limits[round]);
  }
}

const someSettings = fc.record({
  temperature: fc.constantFrom(0, 0.1, 0.7, 1, 3, 50),
  top_k: fc.constantFrom(0, 1, 3, 40, 1000),
  top_p: fc.constantFrom(0.01, 0.333, 0.777, 0.95, 1),
  min_p: fc.constantFrom(0, 0.0501, 0.501),
  seed: fc.integer({ min: 0, max: 0xffffffff }),
  repetition_penalty: fc.constantFrom(1, 1.3),
  presence_penalty: fc.constantFrom(0, 0.5),
  frequency_penalty: fc.constantFrom(0, -0.25),
  top_logprobs: fc.constantFrom(0, 5),
  logprobs: fc.boolean(),
  logit_bias: fc.array(
    fc.tuple(fc.nat(120), fc.integer({ min: -40, max: 40 }).map((n) => n / 8)),
    { maxLength: 4 },
  ),
  banned: fc.array(fc.nat(120), { maxLength: 4 }),
});
const someLogits = fc.array(fc.integer({ min: -400, max: 400 }).map((n) => Math.fround(n / 16)), {
  minLength: 1,
  maxLength: 120,
});

Deno.test("mergePartials() gives the token of the definition, for any logits and settings", () => {
  fc.assert(
    fc.property(someLogits, someSettings, fc.nat(4000), (values, some, position) => {
      const s = settings({
        ...some,
        repetition_penalty: 1,
        presence_penalty: 0,
        frequency_penalty: 0,
      });
      const biased = Float32Array.from(values);
      for (const [id, bias] of s.logit_bias) if (id < values.length) biased[id] += bias;
      for (const id of s.banned) if (id < values.length) biased[id] = -Infinity;
      const all = Array.from(biased.keys());
      const expected = s.temperature === 0
        ? all.reduce((a, b) => biased[b] > biased[a] ? b : a)
        : drawn(Array.from(biased), s, position);
      if (biased.every((logit) => logit === -Infinity)) return;
      const got = sample(logitsRow(Float32Array.from(values)), s, {
        tokens: new Int32Array(0),
        promptRows: 0,
        position,
      });
      assert.equal(got.token, expected);
      if (!s.logprobs && s.top_logprobs === 0) return;
      const p = logProbs(values);
      assert.ok(Math.abs(got.logprob! - p[got.token]) < 1e-9);
      const ranked = all.sort((a, b) => values[b] - values[a] || a - b).slice(0, s.top_logprobs);
      assert.deepEqual((got.top ?? []).map(([id]) => id), ranked);
    }),
    { numRuns: 600, seed: 11 },
  );
});

/** The token that the definition draws: the best sum of scaled logit and noise that is kept. */
function drawn(values: number[], s: Sampling, position: number): number {
  const finite = values.map((v) => v === -Infinity ? -1e300 : v);
  const kept = reference(finite, s);
  const key = randomKey(s.seed, position);
  let best = -1;
  let most = -Infinity;
  values.forEach((value, id) => {
    const score = value / s.temperature + gumbel(key, id);
    if (kept[id] > 0 && score > most) [most, best] = [score, id];
  });
  return best;
}

Deno.test("mergePartials() gives the same token, however few candidates the parts list at first", () => {
  fc.assert(
    fc.property(someLogits, someSettings, fc.nat(4000), (values, some, position) => {
      const sampling = settings(some);
      const logits = Float32Array.from(values);
      const history = Int32Array.from([3, 1, 1, 60, 3]);
      const given = { sampling, position, history, bounds: headBounds(values.length) };
      const whole = byParts(logits, { ...given, limits: CANDIDATE_LIMITS });
      for (const limits of [[1, 2, 5, 2 ** 31 - 1], [3, 2 ** 31 - 1], [2 ** 31 - 1]]) {
        assert.deepEqual(byParts(logits, { ...given, limits }).merged, whole.merged);
      }
    }),
    { numRuns: 400, seed: 12 },
  );
});

Deno.test("sample() under a mask draws as if the refused tokens had probability 0, and so do all splits", () => {
  const someMask = fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(
      someLogits,
      someSettings,
      fc.nat(4000),
      someMask,
      (values, some, position, bits) => {
        const s = settings(some);
        const allowed = Int32Array.from(bits);
        const history = Int32Array.from([3, 1, 1, 60, 3]);
        const left = values.some((_, id) => isAllowed(allowed, id) && !s.banned.includes(id));
        const row = logitsRow(Float32Array.from(values));
        const path = { tokens: history, promptRows: 2, position };
        const refused = values.flatMap((_, id) => isAllowed(allowed, id) ? [] : [id]);
        if (!left) {
          assert.throws(
            () => sample(row, s, { ...path, allowed }),
            (e) => hasCode(e, "no_token_left"),
          );
          return;
        }
        const banned = sample(row, { ...s, banned: [...s.banned, ...refused] }, path);
        assert.deepEqual(sample(row, s, { ...path, allowed }), banned);
        for (const bounds of [headBounds(values.length), [0, values.length]]) {
          const given = {
            sampling: s,
            position,
            history,
            bounds,
            limits: CANDIDATE_LIMITS,
            allowed,
          };
          const { merged } = byParts(Float32Array.from(values), given);
          assert.equal(merged.kind === "sampled" && merged.sampled.token, banned.token);
        }
      },
    ),
    { numRuns: 600, seed: 13 },
  );
});

Deno.test("sample() of a given token tells its log-probability, for every split and setting", () => {
  fc.assert(
    fc.property(
      someLogits,
      someSettings,
      fc.nat(4000),
      fc.nat(119),
      (values, some, position, n) => {
        const s = settings({ ...some, logprobs: true });
        const given = n % values.length;
        const row = logitsRow(Float32Array.from(values));
        const path = { tokens: Int32Array.from([3, 1, 1]), promptRows: 2, position };
        const { token, logprob, top } = sample(row, s, { ...path, given });
        assert.equal(token, given);
        assert.ok(Math.abs(logprob! - logProbs(values)[given]) < 1e-9);
        assert.equal(top?.length ?? 0, Math.min(s.top_logprobs, values.length));
        const history = path.tokens;
        const bounds = headBounds(values.length);
        const { merged } = byParts(Float32Array.from(values), {
          ...{ sampling: s, position, history, bounds, limits: CANDIDATE_LIMITS, given },
        });
        assert.deepEqual(merged, {
          kind: "sampled",
          sampled: { token, logprob, ...(top && { top }) },
        });
      },
    ),
    { numRuns: 400, seed: 14 },
  );
});

Deno.test("mergePartials() asks for more only where the kept tokens are not all listed", () => {
  const flat = Float32Array.from({ length: 4096 }, (_, i) => -i / 500);
  const given = { position: 1, history: new Int32Array(0), bounds: headBounds(4096) };
  const rounds = (some: Partial<Sampling>) =>
    byParts(flat, { ...given, sampling: settings(some), limits: CANDIDATE_LIMITS }).round;
  assert.equal(rounds({ temperature: 1 }), 1);
  assert.equal(rounds({ temperature: 1, top_k: 50 }), 1);
  assert.equal(rounds({ temperature: 1, min_p: 0.9 }), 1);
  assert.equal(rounds({ temperature: 1, top_p: 0.05 }), 1);
  assert.equal(rounds({ temperature: 1, top_k: 400 }), 2);
  assert.equal(rounds({ temperature: 1, top_p: 0.9 }), 2);
  assert.equal(rounds({ temperature: 1, min_p: 0.5 }), 2);
});

Deno.test("partialOf() says nothing that the settings do not need", () => {
  const values = Float32Array.from({ length: 200 }, (_, i) => Math.sin(i));
  const part = (some: Partial<Sampling>) =>
    partialOf(values.slice(), {
      sampling: settings(some),
      vocab: 1000,
      position: 3,
      first: 400,
      occurrences: NO_OCCURRENCES,
      limit: 64,
    });
  const greedy = part({});
  assert.deepEqual([...greedy.tokens], [400 + values.indexOf(Math.max(...values))]);
  assert.equal(part({ temperature: 1 }).tokens.length, 1);
  assert.equal(part({ temperature: 1, top_k: 7 }).tokens.length, 7);
  assert.equal(part({ temperature: 1, min_p: 0.1 }).tokens.length, 64);
  assert.ok(part({ temperature: 1, top_p: 0.9 }).sum > 1);
  for (const { own, ownSum, topTokens, sum } of [greedy, part({ temperature: 1, top_k: 7 })]) {
    assert.deepEqual([own.length, ownSum, topTokens.length, sum], [0, 0, 0, 0]);
  }
});

Deno.test("partialOf() of an empty part, or one of banned tokens alone, has no candidate", () => {
  const options = { vocab: 9, position: 1, first: 4, occurrences: NO_OCCURRENCES, limit: 64 };
  for (const some of [{}, { temperature: 1 }, { temperature: 1, top_p: 0.5, logprobs: true }]) {
    const empty = partialOf(new Float32Array(0), { ...options, sampling: settings(some) });
    assert.deepEqual([empty.tokens.length, empty.count, empty.ownSum], [0, 0, 0]);
    const sampling = settings({ ...some, banned: [4, 5] });
    const banned = partialOf(Float32Array.of(1, 2), { ...options, sampling });
    assert.deepEqual([banned.tokens.length, banned.count], [0, 0]);
    assert.equal(mergePartials([empty, banned], { ...options, sampling }).kind, "none");
  }
});

Deno.test("partialOf() names a damaged logit by its token in the vocabulary", () => {
  const options = { sampling: settings(), vocab: 9, position: 1, first: 4, limit: 64 };
  assert.throws(
    () => partialOf(Float32Array.of(1, NaN), { ...options, occurrences: NO_OCCURRENCES }),
    (e) => hasCode(e, "bad_logits") && e.metadata.token === 5,
  );
});
