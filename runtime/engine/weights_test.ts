import assert from "node:assert/strict";
import fc from "fast-check";
import { weightSum } from "./weights.ts";

const defined = (logits: Float32Array, max: number, temperature: number) =>
  logits.reduce((sum, logit) => sum + Math.exp((logit - max) / temperature), 0);

Deno.test("weightSum() is the sum of exponentials, for any logits and temperature", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -200, max: 200, noNaN: true }), { minLength: 1, maxLength: 50 }),
      fc.double({ min: 0.01, max: 100, noNaN: true }),
      (values, temperature) => {
        const logits = Float32Array.from(values);
        const max = Math.max(...logits);
        const expected = defined(logits, max, temperature);
        const error = Math.abs(weightSum(logits, max, temperature) / expected - 1);
        assert.ok(error < 1e-13, `${error}`);
      },
    ),
    { numRuns: 2000, seed: 21 },
  );
});

Deno.test("weightSum() counts the largest logits exactly, and nothing that is too small or -Infinity", () => {
  for (const temperature of [0.1, 0.7, 1, 50]) {
    assert.equal(weightSum(Float32Array.of(3, 3, -Infinity, 3), 3, temperature), 3);
  }
  assert.equal(weightSum(Float32Array.of(1, -1e30), 1, 1), 1);
  assert.equal(weightSum(Float32Array.of(-800, 5), 5, 1), 1);
  assert.equal(weightSum(new Float32Array(0), 0, 1), 0);
});
