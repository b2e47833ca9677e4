import assert from "node:assert/strict";
import { best } from "./candidates.ts";

Deno.test("best() ranks the largest logits, equal ones by id, and leaves out -Infinity", () => {
  const logits = Float32Array.of(1, 5, -Infinity, 5, -30, 2);
  assert.deepEqual([...best(logits, 3)], [1, 3, 5]);
  assert.deepEqual([...best(logits, 9)], [1, 3, 5, 0, 4]);
  assert.deepEqual([...best(Float32Array.of(-Infinity), 1)], []);
});

Deno.test("best() agrees with sorting, for flat and steep logits and any number of ids", () => {
  for (const step of [0.001, 0.02, 1, 40]) {
    const logits = Float32Array.from({ length: 700 }, (_, i) => -step * (i * 37 % 700));
    const sorted = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
    for (const n of [0, 1, 7, 64, 699, 700, 9999]) {
      assert.deepEqual(Array.from(best(logits, n)), sorted.slice(0, n), `${n} of step ${step}`);
    }
  }
});
