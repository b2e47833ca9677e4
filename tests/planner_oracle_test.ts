/**
 * Plans against an independent brute force (tests/support/plan_oracle.ts), on a sample of seeds.
 * `deno task bench:planner --check 250` takes more.
 */
import assert from "node:assert/strict";
import { checkPlans } from "./support/check_plans.ts";

const SEEDS = Array.from({ length: 16 }, (_, i) => i);

for (const objective of ["latency", "throughput", "blended"] as const) {
  Deno.test(`plan() equals an independent brute force under ${objective}, idle reasons included`, () => {
    const { plans, proven, idle, ratios } = checkPlans(objective, SEEDS);
    assert.ok(plans > 10, `${plans} plans`);
    assert.ok(proven > 0.8 * plans, `${proven} of ${plans} proven`);
    assert.ok(idle > 5, `${idle} idle reasons`);
    // as they are run, plans are the best of those solved for, which few better ones escape
    const median = ratios[Math.floor(ratios.length / 2)];
    assert.ok(median <= 1 + 1e-6, `median ${median}`);
    assert.ok(ratios[ratios.length - 1] < 1.2, `worst ${ratios[ratios.length - 1]}`);
  });
}

Deno.test("plan() counts what shares an uplink together, as the brute force does", () => {
  for (const objective of ["throughput", "blended"] as const) {
    const { plans, proven, ratios } = checkPlans(objective, SEEDS, { uplinks: true });
    assert.ok(plans > 10 && proven > 0.6 * plans, `${proven} of ${plans} proven`);
    const median = ratios[Math.floor(ratios.length / 2)];
    assert.ok(median <= 1 + 1e-6, `median ${median}`);
    assert.ok(ratios[ratios.length - 1] < 1.2, `worst ${ratios[ratios.length - 1]}`);
  }
});
