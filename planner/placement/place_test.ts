import assert from "node:assert/strict";
import { hasCode, seededRandom } from "../../actors/mod.ts";
import { bruteForce } from "../../tests/support/brute_force.ts";
import { paperPartition } from "../../tests/bench/paper/partition.ts";
import { place, solveBounded, solveExact } from "./place.ts";
import { evaluateStages, type Placement, type PlacementProblem, violation } from "./problem.ts";
import { clusterProblem, roughProblem, weights } from "../../tests/support/placement_samples.ts";

const OBJECTIVES = ["latency", "throughput", "blended"] as const;

/** The problem with the larger of its two terms as value, weighted so that each is often larger. */
function larger(seed: number, problem: PlacementProblem): PlacementProblem {
  const sumWeight = 0.2 + seededRandom(seed + 99)();
  return { ...problem, combine: "larger", sumWeight, maxWeight: 1 };
}

/** Rough problems with their size by seed; every fiftieth is as large as brute force can do. */
function* roughs(count: number): Generator<{ seed: number; problem: PlacementProblem }> {
  for (let seed = 0; seed < count; seed++) {
    const random = seededRandom(seed + 777);
    const devices = seed % 50 === 0 ? 6 : 1 + Math.floor(random() * 6);
    const layers = seed % 50 === 0 ? 12 : 1 + Math.floor(random() * (devices > 4 ? 8 : 12));
    yield { seed, problem: roughProblem(seed, { devices, layers }) };
  }
}

/** The same problem under another objective; `blended` is the problem's own. */
function under(
  problem: PlacementProblem,
  objective: (typeof OBJECTIVES)[number],
): PlacementProblem {
  return objective === "blended" ? problem : { ...problem, ...weights(objective) };
}

/** The placement, or undefined where the solver says that there is none. */
function attempt(
  solver: (problem: PlacementProblem) => Placement,
  problem: PlacementProblem,
): Placement | undefined {
  try {
    return solver(problem);
  } catch (error) {
    if (hasCode(error, "infeasible")) return undefined;
    throw error;
  }
}

function near(actual: number, expected: number, what: string): void {
  assert.ok(
    Math.abs(actual - expected) <= 1e-9 * Math.abs(expected),
    `${what}: ${actual}, expected ${expected}`,
  );
}

Deno.test("solveExact() equals brute force on 1,000 rough instances under each objective", () => {
  let infeasible = 0, pinned = 0, uneven = 0, paperWorse = 0;
  for (const { seed, problem } of roughs(1000)) {
    const best = bruteForce(problem);
    if (best.sum === Infinity) infeasible++;
    if (problem.pin.some((d) => d >= 0)) pinned++;
    if (new Set(problem.layerBytes).size > 1) uneven++;
    for (const objective of OBJECTIVES) {
      const asked = under(problem, objective);
      const expected = { latency: best.sum, throughput: best.max, blended: best.value }[objective];
      const placement = attempt(solveExact, asked);
      assert.equal(
        placement === undefined,
        expected === Infinity,
        `seed ${seed}, ${objective}: feasible or not`,
      );
      if (!placement) continue;
      assert.equal(violation(asked, placement.stages), undefined, `seed ${seed}, ${objective}`);
      near(placement.value, expected, `seed ${seed}, ${objective}`);
      near(
        evaluateStages(asked, placement.stages).value,
        placement.value,
        `seed ${seed}, ${objective}, evaluated`,
      );
      assert.equal(placement.gap, 0);
      const paper = paperPartition(asked);
      if (paper && evaluateStages(asked, paper).value > expected * (1 + 1e-6)) paperWorse++;
    }
  }
  // The instances are only worth something if they are of every sort.
  assert.ok(infeasible > 100 && infeasible < 400, `${infeasible} infeasible`);
  assert.ok(pinned > 100, `${pinned} pinned`);
  assert.ok(uneven > 150, `${uneven} uneven`);
  // The oracle tells solvers apart: the paper's partition, which is a valid placement, is not the
  // best on these.
  assert.ok(paperWorse > 200, `the paper's partition is worse on ${paperWorse}`);
});

Deno.test("solveBounded() is never below its bound, and never above the optimum by more than its gap", () => {
  let proven = 0, found = 0;
  for (const { seed, problem } of roughs(300)) {
    const best = bruteForce(problem);
    for (const objective of OBJECTIVES) {
      const asked = under(problem, objective);
      const optimum = { latency: best.sum, throughput: best.max, blended: best.value }[objective];
      const placement = attempt(solveBounded, asked);
      if (optimum === Infinity) assert.equal(placement, undefined);
      if (!placement) continue;
      found++;
      const { value, lowerBound, gap, exact } = placement;
      const what = `seed ${seed}, ${objective}: ${value}, bound ${lowerBound}, optimum ${optimum}`;
      assert.equal(violation(asked, placement.stages), undefined, what);
      assert.ok(lowerBound <= optimum * (1 + 1e-9) && value >= optimum * (1 - 1e-9), what);
      assert.ok(value <= optimum * (1 + gap) * (1 + 1e-9), what);
      near(gap, value === lowerBound ? 0 : (value - lowerBound) / lowerBound, what);
      if (exact) proven++;
    }
  }
  assert.ok(found > 500, `${found} placements`);
  assert.ok(proven > found / 2, `${proven} of ${found} proven`);
});

Deno.test("place() proves the optimum of 16 devices that all differ, with a link of its own for each pair", () => {
  for (const objective of OBJECTIVES) {
    for (const layers of [32, 80]) {
      const problem = under(clusterProblem("all different", { devices: 16, layers }), objective);
      const placement = place(problem);
      assert.equal(violation(problem, placement.stages), undefined);
      assert.ok(placement.exact, `${objective}, ${layers} layers: gap ${placement.gap}`);
      const bounded = solveBounded(problem);
      assert.ok(
        bounded.value >= placement.value * (1 - 1e-9) &&
          bounded.lowerBound <= placement.value * (1 + 1e-9),
      );
    }
  }
});

Deno.test("place() stays within 2 % of its bound on 128 different devices, and is exact on equal ones", () => {
  for (const objective of OBJECTIVES) {
    const different = under(
      clusterProblem("all different", { devices: 128, layers: 48 }),
      objective,
    );
    const placement = place(different);
    assert.equal(violation(different, placement.stages), undefined);
    assert.ok(placement.gap < 0.02, `${objective}: gap ${placement.gap}`);
    assert.ok(place(under(clusterProblem("equal", { devices: 128, layers: 48 }), objective)).exact);
  }
});

Deno.test("place() gives the same bytes for the same input", () => {
  for (const { problem } of roughs(40)) {
    const once = attempt(place, problem);
    assert.equal(JSON.stringify(attempt(place, structuredClone(problem))), JSON.stringify(once));
  }
  const large = clusterProblem("all different", { devices: 40, layers: 32 });
  assert.equal(JSON.stringify(place(large)), JSON.stringify(place(structuredClone(large))));
});

Deno.test("place() takes fewer devices, when more cost the same, and equal ones in input order", () => {
  const free = clusterProblem("equal", { devices: 6, layers: 12 });
  for (const costs of [free.sum, free.max]) {
    for (const part of [costs.fixed, costs.embed, costs.head]) part.fill(0);
    costs.hop.forEach((row) => row.fill(0));
  }
  free.memoryBytes.fill(
    free.layerBytes[0] * 7 + free.overheadBytes[0] + free.embedBytes + free.headBytes,
  );
  const { stages } = place({ ...free, ...weights("latency") });
  assert.deepEqual(stages.map((s) => s.device), [0, 1]);
  // The split costs nothing either way: it is even.
  assert.deepEqual(stages.map((s) => s.last - s.first + 1), [6, 6]);
});

Deno.test("place() leaves a slow device idle, when it would delay the others", () => {
  const problem = clusterProblem("equal", { devices: 3, layers: 12 });
  problem.memoryBytes.fill(1e12);
  for (const costs of [problem.sum, problem.max]) costs.layer[1] = 1;
  for (const objective of OBJECTIVES) {
    const { stages } = place(under(problem, objective));
    assert.ok(!stages.some((s) => s.device === 1), objective);
  }
  assert.deepEqual(paperPartition(problem)?.map((s) => s.device), [0, 1, 2]);
});

Deno.test("place() honours pins among more devices than can be searched one by one", () => {
  const problem = clusterProblem("all different", { devices: 60, layers: 24 });
  problem.pin.fill(50, 0, 2);
  problem.pin.fill(7, 20, 22);
  problem.memoryBytes[50] = problem.memoryBytes[7] = 2e9;
  const placement = place(problem);
  assert.equal(violation(problem, placement.stages), undefined);
  assert.equal(placement.stages[0].device, 50);
  assert.ok(placement.lowerBound <= placement.value);
});

Deno.test("place() refuses a malformed problem and names what is wrong", () => {
  const problem = clusterProblem("equal", { devices: 2, layers: 4 });
  problem.sum.layer[1] = NaN;
  assert.throws(
    () => place(problem),
    (e) => hasCode(e, "bad_problem") && e.metadata.what === "sum.layer[1]",
  );
});

Deno.test("solveExact() equals brute force where the larger of two terms counts, and where devices must be used", () => {
  let forced = 0, infeasible = 0;
  for (const { seed, problem } of roughs(150)) {
    const must = problem.usable.map((_, d) => d === seed % problem.devices);
    const asked = [larger(seed, problem), { ...problem, must }, { ...larger(seed, problem), must }];
    for (const [i, one] of asked.entries()) {
      const expected = bruteForce(one).value;
      const placement = attempt(solveExact, one);
      assert.equal(placement === undefined, expected === Infinity, `seed ${seed}, ${i}`);
      if (!placement) {
        infeasible++;
        continue;
      }
      assert.equal(violation(one, placement.stages), undefined, `seed ${seed}, ${i}`);
      near(placement.value, expected, `seed ${seed}, ${i}`);
      if (i > 0 && !placement.stages.some((s) => must[s.device])) assert.fail("not used");
      if (i > 0 && placement.value > attempt(solveExact, { ...one, must: undefined })!.value) {
        forced++;
      }
    }
  }
  assert.ok(forced > 20 && infeasible > 20, `${forced} forced, ${infeasible} without a placement`);
});
