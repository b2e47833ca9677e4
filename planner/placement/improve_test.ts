import assert from "node:assert/strict";
import { bruteForce } from "../../tests/support/brute_force.ts";
import { clusterProblem } from "../../tests/support/placement_samples.ts";
import { climb, improve, orderChosen } from "./improve.ts";
import { capsAt, FIRST, LAST, prepare } from "./instance.ts";
import { charges, Relaxation } from "./relaxation.ts";
import { Sequences } from "./sequence.ts";

/** A cluster of different devices for the sum alone, with caps without a limit. */
function sample(seed: number, size = { devices: 6, layers: 10 }) {
  const problem = {
    ...clusterProblem("all different", size, { seed }),
    sumWeight: 1,
    maxWeight: 0,
  };
  const instance = prepare(problem);
  const caps = new Int32Array(4 * size.devices);
  capsAt(instance, Infinity, caps);
  const sequences = new Sequences(instance);
  const sum = (seq: number[]) =>
    sequences.path(seq, seq.length) + sequences.fill(seq, seq.length, caps);
  return { problem, instance, caps, sequences, sum };
}

Deno.test("improve() is never worse than its start, and returns the sum of its sequence", () => {
  let improved = 0;
  for (let seed = 0; seed < 30; seed++) {
    const { instance, caps, sequences, sum } = sample(seed);
    for (const start of [[0, 1, 2, 3, 4, 5], [5, 3, 1, 0, 2, 4]]) {
      const options = { start, caps, limit: Infinity, budget: { left: 1e6 } };
      const found = improve(instance, sequences, options);
      assert.equal(new Set(found.seq).size, found.seq.length, "no device twice");
      assert.ok(Math.abs(found.sum - sum(found.seq)) <= 1e-9 * found.sum);
      assert.ok(found.sum <= sum(start));
      if (found.sum < sum(start) * (1 - 1e-6)) improved++;
      assert.deepEqual(start.length, 6, "the start is not changed");
    }
  }
  assert.ok(improved > 20, `${improved} starts were improved`);
});

Deno.test("improve() ends, when its budget is spent", () => {
  const { instance, caps, sequences } = sample(1);
  const budget = { left: 10 };
  const start = [5, 3, 1, 0, 2, 4];
  improve(instance, sequences, { start, caps, limit: Infinity, budget });
  assert.ok(budget.left > -100, `${budget.left}`);
  const none = { start, caps, limit: Infinity, budget: { left: 0 } };
  assert.deepEqual(improve(instance, sequences, none).seq, start);
});

Deno.test("climb() finds the least sum of small clusters, the same each time", () => {
  let best = 0;
  for (let seed = 0; seed < 20; seed++) {
    const { problem, instance, caps, sequences } = sample(seed, { devices: 5, layers: 8 });
    const run = () =>
      climb(instance, sequences, {
        start: [0, 1, 2, 3, 4],
        caps,
        limit: Infinity,
        budget: { left: 1e6 },
        enough: 0,
      });
    const found = run();
    assert.deepEqual(run(), found);
    const { sum } = bruteForce(problem);
    assert.ok(found.sum >= sum * (1 - 1e-9));
    if (found.sum <= sum * (1 + 1e-9)) best++;
  }
  assert.ok(best >= 18, `${best} of 20 are the least sum`);
});

Deno.test("orderChosen() puts the chosen ends at the ends, and every chosen device once", () => {
  for (let seed = 0; seed < 20; seed++) {
    const { instance, caps } = sample(seed, { devices: 10, layers: 24 });
    const chosen = new Relaxation(instance).solve(caps, charges(instance, caps, Infinity));
    const order = orderChosen(instance, chosen, Infinity);
    assert.deepEqual(order.toSorted((a, b) => a - b), chosen.devices);
    if (order.length === 1) continue;
    assert.equal(order[0], chosen.devices[chosen.roles.indexOf(FIRST)]);
    assert.equal(order.at(-1), chosen.devices[chosen.roles.indexOf(LAST)]);
  }
});
