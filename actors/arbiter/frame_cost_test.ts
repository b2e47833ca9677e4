import assert from "node:assert/strict";
import { FrameCost } from "./frame_cost.ts";
import type { StageTrace } from "../pipeline/mod.ts";

/** Two stages, the second twice as slow, after `waited` milliseconds in each mailbox. */
const trace = (
  ms: number,
  { waited = 0, layoutMs }: { waited?: number; layoutMs?: number } = {},
): StageTrace[] =>
  [ms, 2 * ms].map((time, stage) => ({
    stage,
    received: 0,
    began: waited,
    ended: waited + time,
    ...(layoutMs !== undefined && { layout_ms: layoutMs * (stage + 1) }),
  }));

Deno.test("FrameCost.slowest() and sum() lie between what was measured, for other row counts", () => {
  const cost = new FrameCost(2);
  assert.ok(
    cost.slowest(8) > 2 * cost.slowest(1) && cost.slowest(8) < 3 * cost.slowest(1),
    "before any was",
  );
  cost.measure(2, 40, trace(10));
  cost.measure(6, 70, trace(20));
  assert.equal(cost.slowest(2), 20);
  assert.equal(cost.slowest(4), 30);
  assert.equal(cost.sum(6), 60);
  assert.ok(cost.slowest(1) < 20 && cost.slowest(12) > 40);
});

Deno.test("FrameCost.transitMs() is the time in which no stage had the frame, apart for few rows and for many", () => {
  const cost = new FrameCost(2);
  assert.equal(cost.transitMs(1), undefined);
  cost.measure(64, 400, trace(100, { waited: 20 }));
  assert.equal(cost.transitMs(64), 400 - 340);
  assert.equal(cost.transitMs(1), 60, "nothing better is known");
  cost.measure(1, 37, trace(10, { waited: 2 }));
  assert.equal(cost.transitMs(1), 3);
  assert.equal(cost.transitMs(64), 60);
});

Deno.test("FrameCost.moveRowMs is the slowest stage's time of a layout by row", () => {
  const cost = new FrameCost(2);
  assert.equal(cost.moveRowMs, 0.006);
  cost.measureLayout(0, trace(10, { layoutMs: 50 }));
  assert.equal(cost.moveRowMs, 0.006, "it moved nothing");
  const waited = new FrameCost(2);
  waited.measureLayout(10, trace(10, { layoutMs: 10 }));
  assert.ok(
    waited.moveRowMs < 0.1,
    "ten rows did not take 2 ms each: the stage waited for its processor",
  );
  cost.measureLayout(1000, trace(10, { layoutMs: 5 }));
  assert.equal(cost.moveRowMs, 0.01);
});

Deno.test("FrameCost.slowest() adds the times of a stage and a shard that share a device", () => {
  const of = (shardStages: (number | undefined)[]) => {
    const cost = new FrameCost(3, shardStages);
    const shards = [15, 12].map((ms, shard) => ({
      stage: 2,
      shard,
      received: 0,
      began: 0,
      ended: ms,
    }));
    cost.measure(2, 60, [...trace(10), ...shards]);
    return cost;
  };
  assert.equal(of([undefined, undefined]).slowest(2), 20);
  assert.equal(of([0, undefined]).slowest(2), 25);
  assert.equal(of([0, 1]).slowest(2), 32);
  assert.equal(of([0, 1]).sum(2), 45, "on its way a frame waits for the longest shard alone");
});

Deno.test("FrameCost counts runs that shared a device with what they took of it", () => {
  const cost = new FrameCost(2, [0, 1]);
  // Each frame's shard runs while the next frame's stage does: both take longer on the clock.
  const times = { received: 0, began: 0 };
  cost.measure(4, 100, [
    { stage: 0, ...times, ended: 35, busy_ms: 24 },
    { stage: 1, ...times, ended: 35, busy_ms: 24 },
    { stage: 2, shard: 0, ...times, ended: 20, busy_ms: 11 },
    { stage: 2, shard: 1, ...times, ended: 22, busy_ms: 12 },
  ]);
  assert.equal(cost.slowest(4), 36);
  assert.equal(cost.sum(4), 24 + 24 + 12);
});

Deno.test("FrameCost.slowest() is the slowest device's mean, not the mean of the slowest times", () => {
  const cost = new FrameCost(2);
  for (let i = 0; i < 50; i++) {
    const times = i % 2 === 0 ? [10, 30] : [30, 10];
    cost.measure(
      1,
      50,
      times.map((ms, stage) => ({ stage, received: 0, began: 0, ended: ms })),
    );
  }
  assert.ok(Math.abs(cost.slowest(1) - 20) < 3, String(cost.slowest(1)));
});
