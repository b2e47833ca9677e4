import assert from "node:assert/strict";
import { capAt, FIRST, fits, LAST, MIDDLE, ONLY, prepare, roleAt, thresholds } from "./instance.ts";
import { solveExact } from "./place.ts";
import { stageCost } from "./problem.ts";
import { clusterProblem, roughProblem } from "../../tests/support/placement_samples.ts";
import { hasCode } from "../../actors/mod.ts";

Deno.test("prepare() makes one type of devices that can be exchanged", () => {
  const size = { devices: 8, layers: 12 };
  assert.deepEqual(prepare(clusterProblem("equal", size)).members, [[0, 1, 2, 3, 4, 5, 6, 7]]);
  assert.deepEqual(prepare(clusterProblem("four types", size)).members, [
    [0, 4],
    [1, 5],
    [2, 6],
    [3, 7],
  ]);
  assert.equal(prepare(clusterProblem("all different", size)).members.length, 8);
});

Deno.test("prepare() gives a pinned device a type of its own, and notes where its pins are", () => {
  const problem = clusterProblem("equal", { devices: 3, layers: 6 });
  const instance = prepare({ ...problem, pin: [-1, 1, 1, -1, -1, -1] });
  assert.deepEqual(instance.members, [[0, 2], [1]]);
  assert.ok(instance.positional);
  assert.deepEqual([...instance.pinFirst], [6, 1, 6]);
  assert.deepEqual([...instance.pinLast], [-1, 2, -1]);
});

Deno.test("prepare() counts the layers that fit into memory, by role", () => {
  const problem = {
    ...clusterProblem("equal", { devices: 2, layers: 6 }),
    layerBytes: [10, 10, 10, 10, 10, 10],
    embedBytes: 15,
    headBytes: 5,
    overheadBytes: [1, 1],
    memoryBytes: [41, 90],
  };
  const { memoryCaps } = prepare(problem);
  const caps = (d: number) => [MIDDLE, FIRST, LAST, ONLY].map((role) => memoryCaps[role * 2 + d]);
  assert.deepEqual(caps(0), [4, 2, 3, 0]);
  assert.deepEqual(caps(1), [6, 5, 5, 6]);
});

Deno.test("fits() counts embedding and head at the ends of the model", () => {
  const instance = prepare({
    ...clusterProblem("equal", { devices: 1, layers: 3 }),
    layerBytes: [10, 20, 30],
    embedBytes: 5,
    headBytes: 7,
    overheadBytes: [0],
    memoryBytes: [50],
  });
  assert.ok(fits(instance, 0, 0, 2));
  assert.ok(fits(instance, 0, 1, 1));
  assert.ok(!fits(instance, 0, 1, 2), "20 + 30 + 7 bytes");
});

Deno.test("capAt() returns the most layers whose cost stays within the limit", () => {
  let capped = 0;
  for (let seed = 0; seed < 40; seed++) {
    const instance = prepare(roughProblem(seed, { devices: 4, layers: 8 }));
    const { problem: { max }, memoryCaps, devices, layers } = instance;
    for (const limit of thresholds(instance)) {
      for (let d = 0; d < devices; d++) {
        for (const role of [MIDDLE, FIRST, LAST]) {
          const cap = capAt(instance, d, role, limit);
          const cost = (n: number) => stageCost(max, d, n, role === FIRST, role === LAST);
          if (cap > 0) assert.ok(cost(cap) <= limit);
          const memory = memoryCaps[role * devices + d];
          assert.ok(cap <= memory && memory <= layers);
          const entry = role === FIRST ? max.entry[d] : role === LAST ? max.exit[d] : 0;
          if (cap === memory || entry > limit) continue;
          assert.ok(cost(cap + 1) > limit, `seed ${seed}, device ${d}, role ${role}`);
          capped++;
        }
      }
    }
  }
  assert.ok(capped > 100, `${capped} caps were set by the limit`);
});

Deno.test("thresholds() has the slowest part of the best placement, and ascends", () => {
  let found = 0;
  for (let seed = 0; seed < 40; seed++) {
    const problem = roughProblem(seed, { devices: 4, layers: 6 });
    const values = thresholds(prepare(problem));
    for (let i = 1; i < values.length; i++) assert.ok(values[i] > values[i - 1]);
    try {
      const { max } = solveExact(problem);
      assert.ok(values.some((v) => Math.abs(v - max) <= 1e-9 * max), `seed ${seed}: ${max}`);
      found++;
    } catch (error) {
      if (!hasCode(error, "infeasible")) throw error;
    }
  }
  assert.ok(found > 10, `${found} problems have a placement`);
  const free = { ...roughProblem(1, { devices: 3, layers: 3 }), maxWeight: 0 };
  assert.deepEqual([...thresholds(prepare(free))], [Infinity]);
});

Deno.test("roleAt() names the first, the last and the only stage", () => {
  assert.deepEqual([0, 1, 2].map((i) => roleAt(i, 3)), [FIRST, MIDDLE, LAST]);
  assert.equal(roleAt(0, 1), ONLY);
});
