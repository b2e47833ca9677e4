import assert from "node:assert/strict";
import { bruteForce } from "../../tests/support/brute_force.ts";
import { clusterProblem, roughProblem } from "../../tests/support/placement_samples.ts";
import { evaluateStages, violation } from "./problem.ts";
import { Sweep } from "./sweep.ts";

const NO_SEARCH = { states: 0, relaxations: 50, moves: 100_000 };
const SEARCH = { ...NO_SEARCH, states: 100_000 };

Deno.test("Sweep.run() returns an allowed placement, with bounds around the least value", () => {
  let [found, exact] = [0, 0];
  for (let seed = 0; seed < 80; seed++) {
    const problem = roughProblem(seed, { devices: 4, layers: 7 });
    const least = bruteForce(problem).value;
    for (const effort of [NO_SEARCH, SEARCH]) {
      const { placement, proven, lowerBound } = new Sweep(problem, effort).run();
      assert.ok(lowerBound <= least * (1 + 1e-9), `seed ${seed}`);
      if (!placement) {
        if (proven) assert.equal(least, Infinity, `seed ${seed}`);
        continue;
      }
      found++;
      assert.equal(violation(problem, placement.stages), undefined);
      assert.equal(placement.value, evaluateStages(problem, placement.stages).value);
      assert.ok(placement.value >= least * (1 - 1e-9));
      if (!placement.exact) continue;
      exact++;
      assert.ok(placement.value <= least * (1 + 1e-9), `seed ${seed}: called exact`);
    }
  }
  assert.ok(found > 60 && exact > 40, `${found} found, ${exact} exact`);
});

Deno.test("Sweep.run() proves that there is no placement, when no device may hold an end", () => {
  const problem = clusterProblem("equal", { devices: 3, layers: 6 });
  const none = { ...problem, ends: [false, false, false] };
  assert.deepEqual(new Sweep(none, NO_SEARCH).run(), { proven: true, lowerBound: Infinity });
});
