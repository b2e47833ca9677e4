import assert from "node:assert/strict";
import fc from "fast-check";
import { logProbs, reference, settings } from "../../tests/support/sampling_reference.ts";
import { best, kept } from "./candidates.ts";

Deno.test("best() ranks the largest logits, equal ones by id, and leaves out -Infinity", () => {
  const logits = Float32Array.of(1, 5, -Infinity, 5, -30, 2);
  assert.deepEqual([...best(logits, 3)], [1, 3, 5]);
  assert.deepEqual([...best(logits, 9)], [1, 3, 5, 0, 4]);
  assert.deepEqual([...best(Float32Array.of(-Infinity), 1)], []);
});

Deno.test("kept() agrees with the definition for any logits and settings", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -400, max: 400 }).map((n) => n / 16), {
        minLength: 1,
        maxLength: 60,
      }),
      fc.record({
        temperature: fc.constantFrom(0.1, 0.7, 1, 3, 50),
        top_k: fc.constantFrom(0, 1, 3, 40, 1000),
        top_p: fc.constantFrom(0.01, 0.333, 0.777, 0.95, 1),
        min_p: fc.constantFrom(0, 0.0501, 0.501),
      }),
      (values, some) => {
        const s = settings(some);
        const expected = reference(values, s);
        const got = kept(Float32Array.from(values), s);
        const p = new Array(values.length).fill(0);
        got.tokens.forEach((id, i) => p[id] = got.weights[i] / got.total);
        p.forEach((v, id) =>
          assert.ok(Math.abs(v - expected[id]) < 1e-9, `token ${id}: ${v}, not ${expected[id]}`)
        );
      },
    ),
    { numRuns: 500, seed: 11 },
  );
});

Deno.test("kept() finds the nucleus of a flat vocabulary, when no threshold near the best token is enough", () => {
  const flat = Float32Array.from({ length: 5000 }, (_, i) => -i / 50);
  const { tokens } = kept(flat, settings({ temperature: 40, top_p: 0.9 }));
  const p = logProbs(Array.from(flat), 40).map(Math.exp);
  let sum = 0;
  let n = 0;
  while (sum < 0.9) sum += p[n++];
  assert.deepEqual(Array.from(tokens), Array.from({ length: n }, (_, i) => i));
});
