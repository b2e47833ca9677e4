import assert from "node:assert/strict";
import { bruteForce } from "../../tests/support/brute_force.ts";
import { roughProblem } from "../../tests/support/placement_samples.ts";
import { capsAt, prepare } from "./instance.ts";
import { searchLines } from "./line_search.ts";
import { evaluateStages, violation } from "./problem.ts";
import { charges } from "./relaxation.ts";
import { viewTypes } from "./types_view.ts";

/** Problems in which it matters which layers a stage has, with their view without a limit. */
function* samples(count: number, size = { devices: 5, layers: 7 }) {
  for (let seed = 0; seed < count; seed++) {
    const problem = roughProblem(seed, size);
    const instance = prepare(problem);
    if (!instance.positional) continue;
    const caps = new Int32Array(4 * problem.devices);
    capsAt(instance, Infinity, caps);
    const view = viewTypes(instance, caps, Infinity, charges(instance, caps, Infinity));
    yield { seed, problem, instance, view };
  }
}

const FREE = { sum: Infinity, states: 1e6, any: false };

Deno.test("searchLines() finds the least sum with pins and unequal layers, and its stages have it", () => {
  let feasible = 0;
  for (const { seed, problem, instance, view } of samples(200)) {
    const { sum, complete, types, counts } = searchLines(instance, view, FREE);
    assert.ok(complete);
    const least = bruteForce(problem).sum;
    assert.ok(
      sum === least || Math.abs(sum - least) <= 1e-9 * least,
      `seed ${seed}: ${sum}, expected ${least}`,
    );
    if (sum === Infinity) continue;
    feasible++;
    const next = instance.members.map(() => 0);
    let first = 0;
    const stages = types.map((type, i) => {
      const device = instance.members[type][next[type]++];
      const stage = { device, first, last: first + counts[i] - 1 };
      first += counts[i];
      return stage;
    });
    assert.equal(violation(problem, stages), undefined, `seed ${seed}`);
    assert.ok(Math.abs(evaluateStages(problem, stages).sum - sum) <= 1e-9 * sum);
  }
  assert.ok(feasible > 30, `${feasible} problems have a placement`);
});

Deno.test("searchLines() with a beam finds nothing below the least sum, and does not call it complete", () => {
  let narrow = 0;
  for (const { instance, view } of samples(150)) {
    const whole = searchLines(instance, view, FREE);
    const beam = searchLines(instance, view, { ...FREE, beam: 1 });
    assert.ok(beam.sum >= whole.sum);
    if (beam.complete) assert.equal(beam.sum, whole.sum);
    else narrow++;
  }
  assert.ok(narrow > 10, `${narrow} searches were narrowed`);
});
