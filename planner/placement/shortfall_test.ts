import assert from "node:assert/strict";
import { hasCode, type OrreryError } from "../../actors/mod.ts";
import { place } from "./place.ts";
import { endBytes, type PlacementProblem } from "./problem.ts";
import { clusterProblem, roughProblem } from "../../tests/support/placement_samples.ts";
import { shortfall } from "./shortfall.ts";

/**
 * Least bytes missing in all, over every choice of devices, ends and counts (layers alike, nothing
 * pinned).
 */
function leastMissing(problem: PlacementProblem): number {
  const { layers, devices } = problem;
  let least = Infinity;
  const visit = (d: number, rest: number, first: number, last: number, missing: number): void => {
    if (missing >= least) return;
    if (rest === 0) {
      if (first >= 0 && last >= 0) least = missing;
      return;
    }
    if (d === devices) return;
    visit(d + 1, rest, first, last, missing);
    if (!problem.usable[d]) return;
    for (let n = 1; n <= rest; n++) {
      for (
        const [isFirst, isLast] of [[false, false], [true, false], [false, true], [true, true]]
      ) {
        if (
          (isFirst && first >= 0) || (isLast && last >= 0) ||
          ((isFirst || isLast) && !problem.ends[d])
        ) {
          continue;
        }
        if ((isFirst && isLast) !== (n === layers)) continue;
        const need = n * problem.layerBytes[0] + endBytes(problem, isFirst, isLast) +
          problem.overheadBytes[d];
        const more = Math.max(0, need - problem.memoryBytes[d]);
        visit(d + 1, rest - n, isFirst ? d : first, isLast ? d : last, missing + more);
      }
    }
  };
  visit(0, layers, -1, -1, 0);
  return least;
}

Deno.test("shortfall() returns the least memory that would have to be added, and adding it is enough", () => {
  let lacking = 0;
  for (let seed = 0; seed < 300; seed++) {
    const rough = roughProblem(seed, { devices: 1 + seed % 4, layers: 2 + seed % 6 });
    const memoryBytes = rough.memoryBytes.map((bytes) => Math.floor(bytes * 0.6));
    const problem = {
      ...rough,
      memoryBytes,
      layerBytes: rough.layerBytes.map(() => 10),
      pin: rough.pin.map(() => -1),
    };
    for (const costs of [problem.sum, problem.max]) costs.hop.forEach((row) => row.fill(1));
    const missing = shortfall(problem);
    const least = leastMissing(problem);
    assert.equal(missing?.totalBytes ?? Infinity, least, `seed ${seed}`);
    if (!missing || least === 0) continue;
    lacking++;
    assert.throws(
      () => place(problem),
      (e) => hasCode(e, "infeasible") && e.metadata.total_bytes === least,
    );
    const more = [...problem.memoryBytes];
    for (const { device, bytes } of missing.lacking) more[device] += bytes;
    place({ ...problem, memoryBytes: more });
  }
  assert.ok(lacking > 50, `${lacking} lack memory`);
});

Deno.test("place() says which device lacks how many bytes", () => {
  const problem = clusterProblem("equal", { devices: 2, layers: 10 });
  const layer = problem.layerBytes[0];
  problem.memoryBytes = [
    problem.overheadBytes[0] + problem.embedBytes + 4 * layer,
    problem.overheadBytes[1] + problem.headBytes + 5 * layer,
  ];
  assert.throws(() => place(problem), (error: OrreryError) => {
    assert.equal(error.code, "infeasible");
    assert.deepEqual(error.metadata.lacking, [{ device: 0, bytes: layer }]);
    assert.equal(error.metadata.total_bytes, layer);
    assert.match(error.message, /lacks 120000000 bytes: device 0 120000000/);
    return true;
  });
});

Deno.test("place() names no bytes, when pins exclude every order", () => {
  const problem = clusterProblem("equal", { devices: 3, layers: 6 });
  problem.memoryBytes.fill(1e12);
  problem.pin = [0, 1, 0, -1, -1, -1];
  assert.throws(() => place(problem), (error: OrreryError) => {
    assert.equal(error.code, "infeasible");
    assert.deepEqual(error.metadata.lacking, []);
    return /memory would suffice/.test(error.message);
  });
});
