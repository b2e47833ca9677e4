import assert from "node:assert/strict";
import { DriftWatch } from "./drift.ts";

/** Predicts 1 ms a row. */
const predict = ({ rows }: { rows: number }) => rows / 1000;

/** The last verdict after frames that take `factors` times what is predicted. */
function after(watch: DriftWatch, factors: number[]) {
  let verdict;
  for (const [i, factor] of factors.entries()) {
    const rows = 1 + i % 8;
    verdict = watch.observe({ rows, past: i, wanted: 1, seconds: factor * rows / 1000 });
  }
  return verdict!;
}
const times = (factor: number, n: number) => Array<number>(n).fill(factor);

Deno.test("DriftWatch.observe() gives no verdict before 50 frames", () => {
  assert.deepEqual(after(new DriftWatch({ predict }), times(3, 49)), {
    state: "measuring",
    frames: 49,
  });
});

Deno.test("DriftWatch.observe() is steady within 20 % either way, and not beyond", () => {
  for (const factor of [0.85, 1, 1.19]) {
    assert.equal(after(new DriftWatch({ predict }), times(factor, 50)).state, "steady");
  }
  for (const factor of [0.8, 1.25, 4]) {
    const verdict = after(new DriftWatch({ predict }), times(factor, 50));
    assert.ok(
      verdict.state === "drifted" && Math.abs(verdict.ratio - factor) < 1e-9,
      JSON.stringify(verdict),
    );
  }
});

Deno.test("DriftWatch.observe() goes by the median: a few slow frames are no drift", () => {
  assert.equal(
    after(new DriftWatch({ predict }), [...times(20, 20), ...times(1, 30)]).state,
    "steady",
  );
});

Deno.test("DriftWatch.observe() forgets the frames of a verdict", () => {
  const watch = new DriftWatch({ predict });
  assert.equal(after(watch, times(2, 50)).state, "drifted");
  assert.equal(after(watch, times(1, 50)).state, "steady");
});

Deno.test("DriftWatch.observe() leaves out frames, when nothing is predicted for them", () => {
  const watch = new DriftWatch({ predict: () => 0 });
  assert.deepEqual(after(watch, times(1, 60)), { state: "measuring", frames: 0 });
});
