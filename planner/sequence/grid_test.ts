import assert from "node:assert/strict";
import { gridOf } from "./grid.ts";
import { type PieceStage, pipelinePieces } from "./mod.ts";

const stage: PieceStage = {
  seconds: ({ rows, past }) => 1 + rows * (1 + past / 1e4),
  hop: () => 0.5,
};
const limits = { minPieceRows: 16, maxPieceRows: 512 };

Deno.test("gridOf() cuts a prompt of any length in pieces of several sizes within the limits", () => {
  for (const tokens of [32_769, 33_000, 40_960, 65_536, 131_072, 1_048_576, 1_048_577]) {
    const { starts, band, allowed } = gridOf({ tokens, stages: [stage], ...limits });
    const end = starts.length - 1;
    assert.equal(starts[end], tokens);
    const sizes = new Set<number>();
    for (let j = 0; j < end; j++) {
      for (let k = j + 1; k <= Math.min(j + band, end); k++) {
        if (allowed[j * band + k - j - 1]) sizes.add(starts[k] - starts[j]);
      }
    }
    assert.ok([...sizes].every((rows) => rows >= 16 && rows <= 512), `${tokens}: ${[...sizes]}`);
    assert.ok([128, 256, 384, 512].every((rows) => sizes.has(rows)), `${tokens}: ${[...sizes]}`);
    assert.ok(starts.slice(0, -1).every((at) => at % 8 === 0));
  }
});

Deno.test("gridOf() stores a grid whose size grows with the prompt's length, not with its square", () => {
  const numbers = (tokens: number) => {
    const { seconds, hops, allowed } = gridOf({ tokens, stages: [stage, stage], ...limits });
    return [...seconds, ...hops, allowed].reduce((sum, array) => sum + array.length, 0);
  };
  assert.equal(numbers(1_048_576), 8 * numbers(131_072));
  assert.ok(numbers(1_048_576) < 250_000, String(numbers(1_048_576)));
});

Deno.test("gridOf() keeps the step of at most 64 steps wherever some cut in it meets the limits", () => {
  for (
    const [tokens, step] of [[100, 8], [512, 8], [513, 16], [2048, 32], [20_000, 320], [
      32_768,
      512,
    ]]
  ) {
    const { starts } = gridOf({ tokens, stages: [stage], ...limits });
    assert.equal(starts[1], step, `${tokens} rows`);
  }
});

Deno.test("gridOf() finds a finer step where the rest of the prompt is shorter than the least piece", () => {
  // 63 steps of 512 rows and 5 rows, which no piece of 512 rows has room for
  const { starts } = gridOf({ tokens: 63 * 512 + 5, stages: [stage], ...limits });
  assert.equal(starts[1], 128);
  // Two pieces of 300 and 301 rows are the only cut.
  const { pieces } = pipelinePieces({
    tokens: 601,
    stages: [stage],
    minPieceRows: 300,
    maxPieceRows: 600,
  });
  assert.deepEqual([...pieces].sort(), [300, 301]);
});

Deno.test("gridOf() evaluates each allowed piece with its rows, its past and whether it is the last", () => {
  const seen: string[] = [];
  const seconds: PieceStage["seconds"] = ({ rows, past, last }) => {
    seen.push(`${past}+${rows}${last ? " last" : ""}`);
    return past + rows / 1000;
  };
  const { band, seconds: [own], hops: [hop], allowed } = gridOf({
    tokens: 25,
    step: 10,
    maxPieceRows: 20,
    stages: [{ seconds }],
  });
  assert.deepEqual(seen, ["0+10", "0+20", "10+10", "10+15 last", "20+5 last"]);
  assert.equal(band, 3);
  assert.deepEqual([...allowed], [1, 1, 0, 1, 1, 0, 1, 0, 0]);
  const none = Infinity;
  assert.deepEqual([...own], [0.01, 0.02, none, 10.01, 10.015, none, 20.005, none, none]);
  assert.deepEqual([...hop], [0, 0, none, 0, 0, none, 0, none, none]);
});
