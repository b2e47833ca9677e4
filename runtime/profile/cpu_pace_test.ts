import assert from "node:assert/strict";
import { CpuPace } from "./cpu_pace.ts";

/**
 * A process that gets `share` of a core by a quota for each period: work that is longer than the
 * rest of the quota waits for the next period.
 */
function limited(share: number, periodS = 0.01) {
  let cpu = 0;
  let wall = 0;
  return {
    clocks: { wall: () => wall, cpu: () => cpu },
    compute(seconds: number): number {
      const began = wall;
      for (let left = seconds; left > 1e-12;) {
        const period = Math.floor(wall / periodS + 1e-9);
        const free = Math.max(0, Math.min(left, period * periodS + share * periodS - wall));
        cpu += free;
        wall += free;
        left -= free;
        if (left > 1e-12) wall = (period + 1) * periodS;
      }
      return wall - began;
    },
  };
}

const near = (actual: number, expected: number, what: string) =>
  assert.ok(Math.abs(actual / expected - 1) < 0.02, `${what}: ${actual} instead of ${expected}`);

Deno.test("CpuPace.seconds() finds what a frame takes in the long run, when single frames hide the quota", async () => {
  const { clocks, compute } = limited(0.45);
  const pace = new CpuPace(0.5, clocks);
  const alone = compute(0.004); // fits in the quota of a period
  near(alone, 0.004, "one frame alone");
  let measured = 0;
  for (let i = 0; i < 300; i++) measured = await pace.time(() => Promise.resolve(compute(0.004)));
  near(pace.share, 0.45, "share");
  near(pace.seconds(measured), 0.004 / 0.45, "seconds");
  const table = { rows: [1, 2], past: [0], seconds: [[0.004], [0.008]] };
  near(pace.table(table).seconds[1][0], 0.008 / 0.45, "table");
});

Deno.test("CpuPace.time() returns what the work says, when the process gets whole cores", async () => {
  const { clocks, compute } = limited(1);
  const pace = new CpuPace(0.95, clocks);
  const measured = await pace.time(() => {
    compute(0.004);
    return Promise.resolve(0.003); // a part of it only was computing
  });
  assert.equal(measured, 0.003);
  assert.equal(pace.seconds(measured), 0.003);
  near(pace.share, 1, "share");
});
