import assert from "node:assert/strict";
import { evaluateStages, type PlacementProblem, stageBytes, violation } from "./problem.ts";

const costs = {
  layer: [1, 2, 4],
  fixed: [0.5, 0.5, 0.5],
  embed: [0.25, 0.25, 0.25],
  head: [3, 3, 3],
  hop: [[0, 7, 8], [9, 0, 10], [11, 12, 0]],
  entry: [0.1, 0.2, 0.3],
  exit: [0.4, 0.5, 0.6],
};

const PROBLEM: PlacementProblem = {
  layers: 4,
  devices: 3,
  sum: costs,
  max: { ...costs, layer: [10, 20, 40] },
  sumWeight: 2,
  maxWeight: 3,
  layerBytes: [10, 10, 10, 30],
  embedBytes: 5,
  headBytes: 6,
  tied: true,
  overheadBytes: [1, 1, 1],
  memoryBytes: [70, 50, 50],
  ends: [true, true, false],
  usable: [true, true, true],
  pin: [-1, -1, -1, -1],
};

const stages = (...parts: [device: number, first: number, last: number][]) =>
  parts.map(([device, first, last]) => ({ device, first, last }));

Deno.test("evaluateStages() adds entry, stages, hops and exit, and takes the slowest of them", () => {
  const { sum, max, value } = evaluateStages(PROBLEM, stages([0, 0, 2], [1, 3, 3]));
  const first = 3 * 1 + 0.5 + 0.25;
  const last = 2 + 0.5 + 3;
  assert.ok(Math.abs(sum - (0.1 + first + 7 + last + 0.5)) < 1e-12);
  assert.equal(max, 3 * 10 + 0.5 + 0.25);
  assert.ok(Math.abs(value - (2 * sum + 3 * max)) < 1e-12);
});

Deno.test("stageBytes() counts embedding and head on the ends, and a tied matrix once", () => {
  assert.equal(stageBytes(PROBLEM, 0, 1), 20 + 5);
  assert.equal(stageBytes(PROBLEM, 1, 2), 20);
  assert.equal(stageBytes(PROBLEM, 2, 3), 40 + 6);
  assert.equal(stageBytes(PROBLEM, 0, 3), 60 + 6);
  assert.equal(stageBytes({ ...PROBLEM, tied: false }, 0, 3), 60 + 11);
});

Deno.test("violation() says why a placement is not allowed", () => {
  const why = (list: ReturnType<typeof stages>, change: Partial<PlacementProblem> = {}) =>
    violation({ ...PROBLEM, ...change }, list);
  assert.equal(why(stages([0, 0, 2], [1, 3, 3])), undefined);
  assert.match(why([])!, /no stage/);
  assert.match(why(stages([0, 0, 1], [1, 3, 3]))!, /stage 1 has layers 3 to 3 where 2 is next/);
  assert.match(why(stages([0, 0, 2]))!, /layers from 3 on are missing/);
  assert.match(why(stages([0, 0, 1], [1, 2, 2], [0, 3, 3]))!, /device 0 has two stages/);
  assert.match(why(stages([0, 0, 2], [2, 3, 3]))!, /device 2 may not hold an end/);
  assert.match(why(stages([1, 0, 0], [0, 1, 3]), { memoryBytes: [50, 50, 50] })!, /lacks 7 bytes/);
  assert.match(
    why(stages([0, 0, 2], [1, 3, 3]), { usable: [true, false, true] })!,
    /device 1 is not usable/,
  );
  assert.match(
    why(stages([0, 0, 2], [1, 3, 3]), { pin: [-1, 1, -1, -1] })!,
    /layer 1 is pinned elsewhere/,
  );
  const hop = [[0, Infinity, 8], [9, 0, 10], [11, 12, 0]];
  assert.match(
    why(stages([0, 0, 2], [1, 3, 3]), { sum: { ...costs, hop } })!,
    /a link that does not exist/,
  );
});
