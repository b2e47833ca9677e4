import assert from "node:assert/strict";
import { bruteForce } from "../../tests/support/brute_force.ts";
import { roughProblem } from "../../tests/support/placement_samples.ts";
import { capsAt, FIRST, prepare } from "./instance.ts";
import { charges } from "./relaxation.ts";
import { SetBound } from "./set_bound.ts";
import { searchSets } from "./set_search.ts";
import { viewTypes } from "./types_view.ts";

/** Problems with layers that are alike, with their view without a limit. */
function* samples(count: number, size = { devices: 5, layers: 7 }) {
  for (let seed = 0; seed < count; seed++) {
    const problem = roughProblem(seed, size);
    const instance = prepare(problem);
    if (instance.positional) continue;
    const caps = new Int32Array(4 * problem.devices);
    capsAt(instance, Infinity, caps);
    const view = viewTypes(instance, caps, Infinity, charges(instance, caps, Infinity));
    yield { seed, problem, view };
  }
}

const FREE = { sum: Infinity, states: 1e6, any: false };

Deno.test("searchSets() finds the least sum of every order of every subset", () => {
  let feasible = 0;
  for (const { seed, problem, view } of samples(150)) {
    const { sum, complete } = searchSets(view, FREE);
    const least = bruteForce(problem).sum;
    assert.ok(complete);
    if (least < Infinity) feasible++;
    assert.ok(
      sum === least || Math.abs(sum - least) <= 1e-9 * least,
      `seed ${seed}: ${sum}, expected ${least}`,
    );
  }
  assert.ok(feasible > 50, `${feasible} problems have a placement`);
});

Deno.test("searchSets() finds nothing that is not below the limit", () => {
  for (const { view } of samples(40)) {
    const { sum } = searchSets(view, FREE);
    if (sum === Infinity) continue;
    assert.equal(searchSets(view, { ...FREE, sum }).sum, Infinity);
    assert.equal(searchSets(view, { ...FREE, sum: sum * (1 + 1e-9) }).sum, sum);
  }
});

Deno.test("searchSets() says that it is not complete, when its labels do not suffice", () => {
  let incomplete = 0;
  for (const { view } of samples(40)) {
    const whole = searchSets(view, FREE);
    const short = searchSets(view, { ...FREE, states: 1 });
    assert.ok(short.sum >= whole.sum);
    if (!short.complete) incomplete++;
    if (short.complete) assert.equal(short.sum, whole.sum);
  }
  assert.ok(incomplete > 10, `${incomplete} searches gave up`);
});

Deno.test("SetBound.goOn() is never above what the best placement still adds", () => {
  let compared = 0;
  for (const { seed, view } of samples(150)) {
    const { sum, types: path } = searchSets(view, FREE);
    if (sum === Infinity) continue;
    const { types, caps } = view;
    const bound = new SetBound(view);
    const members = new Int32Array(types);
    const first = caps[FIRST * types + path[0]] === caps[path[0]] ? types : path[0];
    let cost = view.begin[path[0]];
    for (const [i, type] of path.slice(0, -1).entries()) {
      cost += view.fixed[type] + (i > 0 ? view.hop[path[i - 1] * types + type] : 0);
      members[type]++;
      const least = cost + bound.goOn(members, first, type);
      assert.ok(least <= sum * (1 + 1e-9), `seed ${seed}, stage ${i}: ${least}, sum ${sum}`);
      compared++;
    }
  }
  assert.ok(compared > 30, `${compared} labels were compared`);
});
