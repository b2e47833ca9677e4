import assert from "node:assert/strict";
import { COORDINATOR } from "./costs.ts";
import { replayFrames } from "./replay.ts";

Deno.test("replayFrames() feeds runs of neighbouring stages from the stage before them", () => {
  assert.deepEqual(replayFrames([3, 0, 2], 10, 64), [
    { rows: 10, past: 0, route: [COORDINATOR, 0] },
    { rows: 10, past: 0, route: [1, 2, 3] },
  ]);
});

Deno.test("replayFrames() cuts the live rows in pieces, in order", () => {
  assert.deepEqual(replayFrames([1], 150, 64), [
    { rows: 64, past: 0, route: [0, 1] },
    { rows: 64, past: 64, route: [0, 1] },
    { rows: 22, past: 128, route: [0, 1] },
  ]);
});

Deno.test("replayFrames() is empty, when no rows are live or no stage lacks them", () => {
  assert.deepEqual(replayFrames([1, 2], 0, 64), []);
  assert.deepEqual(replayFrames([], 100, 64), []);
});
