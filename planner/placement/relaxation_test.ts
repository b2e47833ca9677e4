import assert from "node:assert/strict";
import { bruteForce } from "../../tests/support/brute_force.ts";
import { roughProblem } from "../../tests/support/placement_samples.ts";
import { capsAt, FIRST, LAST, ONLY, prepare } from "./instance.ts";
import { charges, pullOf, Relaxation } from "./relaxation.ts";

/** A rough problem's instance with its caps without a limit. */
function sample(seed: number) {
  const problem = roughProblem(seed, { devices: 5, layers: 7 });
  const instance = prepare(problem);
  const caps = new Int32Array(4 * problem.devices);
  capsAt(instance, Infinity, caps);
  return { problem, instance, caps };
}

Deno.test("charges() never exceed a hop, and are never negative", () => {
  for (let seed = 0; seed < 50; seed++) {
    const { instance, caps } = sample(seed);
    const { devices: n, hopSum } = instance;
    for (const wish of [undefined, new Float64Array(n).fill(1), new Float64Array(n).fill(100)]) {
      const { into, out } = charges(instance, caps, Infinity, wish);
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          const hop = hopSum[i * n + j];
          const enters = caps[j] > 0 || caps[LAST * n + j] > 0;
          if (hop === Infinity || !enters || out[i] === Infinity) continue;
          assert.ok(out[i] >= 0 && into[j] >= 0, `seed ${seed}`);
          assert.ok(out[i] + into[j] <= hop + 1e-12, `seed ${seed}: hop ${i} to ${j}`);
        }
      }
    }
  }
});

Deno.test("Relaxation.solve() returns a lower bound of the least sum, and devices that hold all layers", () => {
  let feasible = 0;
  for (let seed = 0; seed < 100; seed++) {
    const { problem, instance, caps } = sample(seed);
    const relaxed = new Relaxation(instance).solve(caps, charges(instance, caps, Infinity));
    const { sum } = bruteForce(problem);
    assert.ok(relaxed.sum <= sum * (1 + 1e-12), `seed ${seed}: ${relaxed.sum}, least sum ${sum}`);
    if (relaxed.sum === Infinity) continue;
    feasible++;
    const { devices, roles } = relaxed;
    assert.equal(new Set(devices).size, devices.length);
    const room = devices.reduce((n, d, i) => n + caps[roles[i] * problem.devices + d], 0);
    assert.ok(room >= problem.layers);
    if (devices.length === 1) assert.deepEqual(roles, [ONLY]);
    else {
      const ends = roles.filter((role) => role !== 0).sort();
      assert.deepEqual(ends, [FIRST, LAST]);
    }
  }
  assert.ok(feasible > 50, `${feasible} problems have a bound`);
});

Deno.test("pullOf() points to charges that raise the bound", () => {
  let raised = 0;
  for (let seed = 0; seed < 100; seed++) {
    const { problem, instance, caps } = sample(seed);
    const relaxation = new Relaxation(instance);
    const priced = charges(instance, caps, Infinity);
    const relaxed = relaxation.solve(caps, priced);
    if (relaxed.sum === Infinity) continue;
    const pull = new Float64Array(problem.devices);
    const length = pullOf(instance, relaxed, priced, { limit: Infinity, caps, pull });
    assert.equal(length, pull.reduce((sum, v) => sum + v * v, 0));
    if (length === 0) continue;
    const wish = priced.out.map((out, d) =>
      out === Infinity ? 0 : Math.max(0, out + 0.05 * pull[d])
    );
    const next = relaxation.solve(caps, charges(instance, caps, Infinity, wish));
    assert.ok(next.sum <= bruteForce(problem).sum * (1 + 1e-12), "still a lower bound");
    if (next.sum > relaxed.sum * (1 + 1e-9)) raised++;
  }
  assert.ok(raised > 5, `${raised} bounds were raised by one step`);
});
