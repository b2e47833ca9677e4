import assert from "node:assert/strict";
import { clusterProblem, roughProblem } from "../../tests/support/placement_samples.ts";
import { capsAt, prepare } from "./instance.ts";
import { evaluateStages, type PlacementProblem, violation } from "./problem.ts";
import { Sequences } from "./sequence.ts";

/** Every way to split `layers` into `parts` numbers from 1 on. */
function* splits(layers: number, parts: number): Generator<number[]> {
  if (parts === 1) return yield [layers];
  for (let n = 1; n <= layers - parts + 1; n++) {
    for (const rest of splits(layers - n, parts - 1)) yield [n, ...rest];
  }
}

/** Least value of a sequence over all splits of the layers. */
function leastValue(problem: PlacementProblem, sequence: number[]): number {
  let least = Infinity;
  for (const counts of splits(problem.layers, sequence.length)) {
    let first = 0;
    const stages = sequence.map((device, i) => {
      const stage = { device, first, last: first + counts[i] - 1 };
      first += counts[i];
      return stage;
    });
    if (violation(problem, stages) !== undefined) continue;
    least = Math.min(least, evaluateStages(problem, stages).value);
  }
  return least;
}

Deno.test("Sequences.tune() equals trying every split, when layers are alike", () => {
  let fitting = 0;
  for (let seed = 0; seed < 120; seed++) {
    const problem = roughProblem(seed, { devices: 4, layers: 7 });
    const instance = prepare(problem);
    if (instance.positional) continue;
    const sequences = new Sequences(instance);
    for (const sequence of [[0], [1, 0], [2, 0, 3], [3, 1, 2, 0]]) {
      const tuned = sequences.tune(sequence, sequence.length);
      const least = leastValue(problem, sequence);
      if (least === Infinity) {
        assert.deepEqual(tuned, { value: Infinity, stages: [] });
        continue;
      }
      fitting++;
      assert.ok(Math.abs(tuned.value - least) <= 1e-9 * least, `seed ${seed}, [${sequence}]`);
      assert.equal(violation(problem, tuned.stages), undefined);
      const { value } = evaluateStages(problem, tuned.stages);
      assert.ok(value <= least * (1 + 1e-9), "its stages have that value");
    }
  }
  assert.ok(fitting > 80, `${fitting} sequences fit`);
});

Deno.test("Sequences.fill() gives the rest of the layers to the cheapest devices first", () => {
  const problem = clusterProblem("four types", { devices: 4, layers: 10 });
  const instance = prepare(problem);
  const sequences = new Sequences(instance);
  const { layer } = problem.sum;
  const caps = new Int32Array(16).fill(4);
  const expected = 4 * layer[0] + 4 * layer[1] + 1 * layer[2] + 1 * layer[3];
  assert.ok(Math.abs(sequences.fill([3, 1, 2, 0], 4, caps) - expected) < 1e-12);
  assert.equal(sequences.fill([0, 1], 2, caps), Infinity, "8 layers of 10");
  caps.fill(0, 0, 4); // no device may have a stage in the middle
  assert.equal(sequences.fill([3, 1, 2, 0], 4, caps), Infinity);
});

Deno.test("Sequences.path() counts entry, fixed parts, hops and ends, but no layer", () => {
  const problem = roughProblem(11, { devices: 3, layers: 4 });
  const { sum: c } = problem;
  const sequences = new Sequences(prepare(problem));
  const path = c.entry[2] + c.embed[2] + c.fixed[2] + c.hop[2][0] + c.fixed[0] + c.head[0] +
    c.exit[0];
  assert.ok(Math.abs(sequences.path([2, 0], 2) - path) < 1e-12);
});

Deno.test("Sequences.tune() keeps to the memory of each role", () => {
  const problem = clusterProblem("equal", { devices: 3, layers: 9 });
  const instance = prepare(problem);
  const caps = new Int32Array(12);
  capsAt(instance, Infinity, caps);
  const { stages } = new Sequences(instance).tune([2, 1, 0], 3);
  assert.deepEqual(stages.map((s) => s.device), [2, 1, 0]);
  assert.equal(violation(problem, stages), undefined);
});
