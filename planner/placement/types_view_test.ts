import assert from "node:assert/strict";
import { clusterProblem } from "../../tests/support/placement_samples.ts";
import { capsAt, FIRST, prepare } from "./instance.ts";
import { charges } from "./relaxation.ts";
import { viewTypes } from "./types_view.ts";

function sample(limit = Infinity) {
  const problem = clusterProblem("four types", { devices: 8, layers: 12 });
  const instance = prepare(problem);
  const caps = new Int32Array(4 * problem.devices);
  capsAt(instance, limit, caps);
  const view = viewTypes(instance, caps, limit, charges(instance, caps, limit));
  return { problem, instance, caps, view };
}

Deno.test("viewTypes() has one entry for each type, with the costs and caps of its members", () => {
  const { problem, caps, view } = sample();
  assert.equal(view.types, 4);
  assert.deepEqual([...view.count], [2, 2, 2, 2]);
  for (const t of [0, 1, 2, 3]) {
    assert.equal(view.layer[t], problem.sum.layer[t]);
    assert.equal(view.caps[FIRST * 4 + t], caps[FIRST * 8 + t]);
    assert.equal(view.begin[t], problem.sum.entry[t] + problem.sum.embed[t]);
    assert.equal(view.end[t], problem.sum.head[t] + problem.sum.exit[t]);
  }
});

Deno.test("viewTypes() numbers the sets of devices without a clash", () => {
  const { view } = sample();
  assert.equal(view.sets, 3 ** 4);
  const numbers = new Set<number>();
  for (let set = 0; set < view.sets; set++) {
    const used = [...view.factor].map((f, t) => Math.floor(set / f) % (view.count[t] + 1));
    numbers.add(used.reduce((sum, n, t) => sum + n * view.factor[t], 0));
  }
  assert.equal(numbers.size, view.sets);
});

Deno.test("viewTypes() sorts types by the price of a layer, which charges raise for added devices", () => {
  const { view } = sample();
  const { orderType, orderNew, orderPrice } = view;
  assert.equal(orderType.length, 8);
  for (const [i, t] of orderType.entries()) {
    if (i > 0) assert.ok(orderPrice[i] >= orderPrice[i - 1]);
    assert.ok(orderNew[i] ? orderPrice[i] > view.layer[t] : orderPrice[i] === view.layer[t]);
  }
});

Deno.test("viewTypes() allows no hop above the limit, and none from a device to itself", () => {
  const { view, instance } = sample();
  assert.ok([...view.hop].every((hop) => hop > 0 && hop < Infinity));
  const slow = Math.max(...instance.hopMax.filter((hop) => hop < Infinity));
  assert.ok([...sample(slow / 2).view.hop].every((hop) => hop === Infinity));
  const single = prepare(clusterProblem("four types", { devices: 4, layers: 12 }));
  const caps = new Int32Array(16);
  capsAt(single, Infinity, caps);
  const { hop } = viewTypes(single, caps, Infinity, charges(single, caps, Infinity));
  for (let t = 0; t < 4; t++) assert.equal(hop[t * 4 + t], Infinity);
});
