import assert from "node:assert/strict";
import { CostModel, describedDevice } from "../cost/mod.ts";
import type { ModelShape } from "../types.ts";
import { bucketLengths, pieceBuckets, pieceStages, pipelineSeconds } from "./mod.ts";

const model: ModelShape = {
  name: "half a billion",
  layers: 24,
  hidden: 896,
  vocab: 151_936,
  context: 2048,
  layerBytes: new Array<number>(24).fill(8e6),
  embedBytes: 80e6,
  headBytes: 80e6,
  tied: true,
  kvBytesPerRow: 512,
  macsPerRow: 15e6,
  macsPerPastRow: 1792,
};

/**
 * Seconds of all layers by rows, as measured on half a core: 32 to 64 rows are fastest for each
 * row.
 */
const measured: Record<string, number> = {
  1: 0.068,
  2: 0.097,
  4: 0.147,
  8: 0.287,
  32: 0.68,
  64: 1.36,
  128: 3.46,
  256: 6.92,
  512: 13.84,
};

function cluster(speeds: number[], bytesPerS: number) {
  const devices = speeds.map((speed, i) =>
    describedDevice({
      name: `node${i}`,
      memory_bytes: 1e9,
      layer_seconds: Object.fromEntries(
        Object.entries(measured).map(([rows, s]) => [rows, s / 24 / speed]),
      ),
      frame_seconds: 0.001,
    }, model)
  );
  const pairs = (value: number, own: number) =>
    speeds.map((_, i) => speeds.map((_, j) => i === j ? own : value));
  const cost = new CostModel({
    model,
    devices,
    links: { seconds: pairs(0.002, 0), bytesPerS: pairs(bytesPerS, Infinity) },
  });
  const layers = 24 / speeds.length;
  const stages = speeds.map((_, i) => ({
    device: i,
    first: i * layers,
    last: (i + 1) * layers - 1,
  }));
  return { cost, stages };
}

Deno.test("pieceStages() makes a link a stage that transfers, and its latency a hop", () => {
  const { cost, stages } = cluster([1, 2], 1e6);
  const parts = pieceStages(cost, stages);
  assert.equal(parts.length, 3);
  const seconds = [0, 1].map((i) =>
    cost.stageSeconds(i, stages[i], { rows: 100, past: 0, wanted: 1 })
  );
  const whole = seconds[0] + seconds[1] + cost.hopSeconds(0, 1, cost.hopBytes(100));
  assert.ok(Math.abs(pipelineSeconds(parts, [100]) - whole) < 1e-9);
  // two stages on one device: no link between them
  assert.equal(
    pieceStages(cost, [{ device: 1, first: 0, last: 5 }, { device: 1, first: 6, last: 23 }]).length,
    2,
  );
});

Deno.test("pieceStages() counts the head only for the prompt's last piece", () => {
  const { cost, stages } = cluster([1], 1e6);
  const [stage] = pieceStages(cost, stages);
  const difference = stage.seconds({ rows: 64, past: 64, last: true }) -
    stage.seconds({ rows: 64, past: 64, last: false });
  assert.ok(Math.abs(difference - cost.headSeconds(0, 1)) < 1e-12);
});

Deno.test("pieceBuckets() plans pieces that make each bucket's prompt and beat one piece and any equal pieces", () => {
  for (const speeds of [[1], [1, 0.7], [1, 2, 0.5, 1]]) {
    const { cost, stages } = cluster(speeds, 12.5e6);
    const buckets = pieceBuckets({ cost, stages, context: 2048, minPieceRows: 16 });
    assert.deepEqual(buckets.map((b) => b.prompt_tokens), [32, 64, 128, 256, 512, 1024, 2048]);
    const parts = pieceStages(cost, stages);
    for (const { prompt_tokens, pieces, seconds, lowerBound, exact } of buckets) {
      assert.equal(pieces.reduce((a, b) => a + b, 0), prompt_tokens);
      assert.ok(pieces.every((rows) => rows >= 16));
      assert.ok(
        exact && lowerBound === seconds,
        `${prompt_tokens} rows on ${speeds.length} devices`,
      );
      for (let size = 32; size <= prompt_tokens; size *= 2) {
        const equal = new Array<number>(prompt_tokens / size).fill(size);
        assert.ok(seconds <= pipelineSeconds(parts, equal) * (1 + 1e-12));
      }
    }
  }
});

Deno.test("pieceBuckets() cuts pieces of 32 to 64 rows, when one device is fastest with these", () => {
  const { cost, stages } = cluster([1], 1e6);
  const [{ pieces }] = pieceBuckets({ cost, stages, context: 512, lengths: [512] });
  assert.ok(pieces.every((rows) => rows >= 32 && rows <= 64), pieces.join());
});

Deno.test("bucketLengths() doubles up to the context, which is the last", () => {
  assert.deepEqual(bucketLengths(300), [32, 64, 128, 256, 300]);
  assert.deepEqual(bucketLengths(64), [32, 64]);
  assert.deepEqual(bucketLengths(20), [20]);
});
