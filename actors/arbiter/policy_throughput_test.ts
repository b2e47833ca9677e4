/**
 * What the policy's choice of frames is worth: tokens a second in a queueing model, over costs that
 * were measured on real machines, beside the best constant number of frames.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  bestConstant,
  constantRate,
  type CostTable,
  msOf,
  policyRate,
  type QueueWorld,
} from "../../tests/support/arbiter_queue.ts";
import { runArrivals } from "../../tests/support/arbiter_arrivals.ts";

/** Milliseconds of a frame by rows, all layers on one device. */
const TABLES: CostTable[] = [
  // A model of 0.5B parameters on one core.
  { 1: 20, 2: 23, 4: 30, 8: 48, 16: 82, 64: 300 },
  // The embedded model on one core.
  { 1: 0.85, 2: 0.98, 4: 1.38, 8: 2.73, 16: 3.82, 32: 9.8, 64: 13 },
  // The 0.5B model on 0.45 of a core.
  { 1: 68, 2: 97, 4: 147, 8: 287, 64: 1400 },
];

/** The stages share a device's work evenly. */
const divided = (table: CostTable, stages: number): CostTable =>
  Object.fromEntries(Object.entries(table).map(([rows, ms]) => [rows, ms / stages]));

const worlds: fc.Arbitrary<QueueWorld> = fc.record({
  table: fc.constantFrom(...TABLES),
  stages: fc.constantFrom(1, 1, 2, 3, 4),
  linkMs: fc.double({ min: 0.3, max: 10, noNaN: true }),
  laneMs: fc.double({ min: 0.02, max: 1, noNaN: true }),
  lanes: fc.integer({ min: 1, max: 32 }),
  oneRequest: fc.boolean(),
}).map((world) => ({
  ...world,
  table: divided(world.table, world.stages),
  linkMs: world.stages === 1 ? 0 : world.linkMs,
}));

Deno.test("choose() comes within 5 % of the best constant number of frames, for any stages, links and lanes", () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const best = bestConstant(world);
      const { rate, rows } = policyRate(world);
      assert.ok(
        rate > 0.95 * best.rate,
        `${rate} tokens/s with ${rows} rows a frame, ${best.rate} with ${best.frames} frames`,
      );
    }),
    { numRuns: 40, seed: 11 },
  );
});

Deno.test("choose() gives more tokens a second to more lanes, on one device and on four", () => {
  for (const stages of [1, 4]) {
    for (const laneMs of [0.1, 0.5]) {
      const rates = [1, 4, 8, 16, 32].map((lanes) =>
        policyRate({
          table: divided(TABLES[0], stages),
          stages,
          linkMs: stages === 1 ? 0 : 0.5,
          laneMs,
          lanes,
          oneRequest: true,
        }).rate
      );
      for (const [i, rate] of rates.slice(1).entries()) {
        assert.ok(rate > 1.04 * rates[i], `${stages} stages, ${laneMs} ms a lane: ${rates}`);
      }
    }
  }
});

Deno.test("choose() sends one frame of all lanes where a stage is faster with it, and overlaps where the gateway is slow", () => {
  const world = { stages: 1, linkMs: 0, lanes: 16, oneRequest: true };
  assert.equal(policyRate({ ...world, table: TABLES[0], laneMs: 0.01 }).rows, 16);
  const slow = { ...world, table: TABLES[1], laneMs: 0.3 };
  assert.ok(policyRate(slow).rows < 9, "the stage works while the gateway does");
  assert.ok(policyRate(slow).rate > 1.2 * constantRate(slow, 1));
});

Deno.test("choose() lets 32 prompts through nearly as fast as if nothing was decoded meanwhile", () => {
  for (const stages of [1, 4]) {
    for (const [prompt, share] of [[128, 0.15], [512, 0.12]]) {
      const table = divided(TABLES[0], stages);
      const requests = runArrivals({
        table,
        stages,
        linkMs: stages > 1 ? 0.5 : 0,
        laneMs: 0.5,
        arrivals: new Array(32).fill(0),
        prompt,
        tokens: 64,
      });
      const last = Math.max(...requests.map((r) => r.first));
      const pieces = 32 * prompt / 64;
      const least = (pieces + stages - 1) * msOf(table, 64);
      assert.ok(
        last < (1 + share) * least,
        `${stages} stages, prompts of ${prompt}: the last first token after ${last} ms, ${least} at least`,
      );
    }
  }
});

Deno.test("ArbiterCore lets so many requests run that tokens come within latency_ms, and the others later", () => {
  const world = {
    table: TABLES[0],
    stages: 1,
    linkMs: 0,
    laneMs: 0.5,
    arrivals: Array.from({ length: 24 }, (_, i) => 200 * i),
    prompt: 16,
    tokens: 100,
  };
  const together = (latencyMs?: number) => {
    const requests = runArrivals({ ...world, latencyMs });
    assert.ok(requests.every((r) => r.last > r.first));
    return Math.max(
      ...requests.map((r) => requests.filter((q) => q.first <= r.first && q.last > r.first).length),
    );
  };
  assert.ok(together() > 12);
  // 8 rows take 48 ms and 4 rows 30; the gateway needs half a millisecond for each.
  const bounded = together(45);
  assert.ok(bounded >= 5 && bounded <= 8, `${bounded} requests ran together`);
  assert.equal(together(1), 1, "one may always run");
});

Deno.test("choose() sends one frame of all its lanes while frames of other arbiters keep the stage busy", () => {
  for (const table of TABLES) {
    for (const laneMs of [0.05, 0.3]) {
      const world = {
        table,
        stages: 1,
        linkMs: 0,
        laneMs,
        lanes: 32,
        oneRequest: false,
        arbiters: 4,
      };
      const { rate, rows } = policyRate(world);
      assert.ok(rows > 7, `frames of ${rows} rows, ${rate} tokens/s`);
    }
  }
});
