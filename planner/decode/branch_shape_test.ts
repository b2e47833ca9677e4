import assert from "node:assert/strict";
import fc from "fast-check";
import { branchShape, type PipelineCosts } from "./mod.ts";

const pipelines: fc.Arbitrary<PipelineCosts & { stages: number }> = fc.record({
  stages: fc.array(
    fc.record({
      fixed: fc.double({ min: 0.001, max: 0.1, noNaN: true }),
      perRow: fc.double({ min: 0, max: 0.05, noNaN: true }),
    }),
    { minLength: 1, maxLength: 8 },
  ),
  hop: fc.double({ min: 0, max: 0.05, noNaN: true }),
}).map(({ stages, hop }) => ({
  stages: stages.length,
  latency: (rows) => stages.reduce((sum, s) => sum + s.fixed + s.perRow * rows + hop, 0),
  bottleneck: (rows) => Math.max(...stages.map((s) => s.fixed + s.perRow * rows)),
}));

Deno.test("branchShape() is at least as fast as every frame size and number of frames that fit the lanes", () => {
  fc.assert(
    fc.property(pipelines, fc.integer({ min: 1, max: 20 }), (costs, branches) => {
      const shape = branchShape({ costs, branches });
      for (let r = 1; r <= branches; r++) {
        for (let f = 1; f * r <= branches; f++) {
          const rate = Math.min(f * r / costs.latency(r), r / costs.bottleneck(r));
          assert.ok(
            shape.tokensPerSecond >= rate * (1 - 1e-8),
            `${f} frames of ${r} rows give ${rate}`,
          );
        }
      }
      assert.ok(
        shape.in_flight <= branches &&
          shape.in_flight <= shape.frames_in_flight * shape.rows_per_frame,
      );
      assert.ok(
        (shape.frames_in_flight - 1) * shape.rows_per_frame < branches,
        "a frame would be empty",
      );
      assert.ok(
        shape.tokensPerSecond * costs.bottleneck(shape.rows_per_frame) <=
          shape.rows_per_frame * (1 + 1e-9),
      );
    }),
    { numRuns: 300 },
  );
});

Deno.test("branchShape() never gets slower in all with another lane, and decodes one lane plainly", () => {
  fc.assert(
    fc.property(pipelines, fc.integer({ min: 1, max: 20 }), (costs, branches) => {
      const rate = (lanes: number) => branchShape({ costs, branches: lanes }).tokensPerSecond;
      assert.ok(rate(branches + 1) >= rate(branches) * (1 - 1e-9));
      const one = branchShape({ costs, branches: 1 });
      assert.deepEqual([one.in_flight, one.frames_in_flight, one.rows_per_frame, one.speedup], [
        1,
        1,
        1,
        1,
      ]);
    }),
  );
});

Deno.test("branchShape() fills a pipeline of N equal stages with N frames, and a single stage with one", () => {
  const busy = (rows: number) => 0.068 + 0.029 * (rows - 1);
  const four = branchShape({
    costs: { latency: (rows) => 4 * busy(rows), bottleneck: busy },
    branches: 8,
  });
  assert.deepEqual([four.frames_in_flight, four.rows_per_frame, four.in_flight], [4, 2, 8]);
  const one = branchShape({ costs: { latency: busy, bottleneck: busy }, branches: 8 });
  assert.deepEqual([one.frames_in_flight, one.rows_per_frame], [1, 8]);
  assert.ok(Math.abs(one.speedup - 8 * busy(1) / busy(8)) < 1e-12);
});

Deno.test("branchShape() keeps the limit on rows", () => {
  const costs = { latency: () => 1, bottleneck: () => 1 };
  assert.equal(branchShape({ costs, branches: 8, maxRows: 3 }).rows_per_frame, 3);
});
