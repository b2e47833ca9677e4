/**
 * The reference of the placement tests: tries every order of every subset of devices with every
 * split.
 *
 * @module
 */
import {
  objective,
  type PlacementProblem,
  stageBytes,
  stageCost,
} from "../../planner/placement/problem.ts";

/**
 * Least sum, least slowest part and least value of the problem's own objective, each over all
 * placements; Infinity: no placement is allowed.
 */
export interface BruteForce {
  /** Least sum, by the `sum` costs. */
  sum: number;
  /** Least slowest part, by the `max` costs. */
  max: number;
  /** Least value of the objective with the problem's weights. */
  value: number;
}

/** Tries all placements; at most 6 devices and 12 layers are practical. */
export function bruteForce(problem: PlacementProblem): BruteForce {
  const { layers, devices, sum: s, max: m } = problem;
  const best: BruteForce = { sum: Infinity, max: Infinity, value: Infinity };
  const used = new Array<boolean>(devices).fill(false);
  const visit = (last: number, done: number, sum: number, max: number): void => {
    for (let d = 0; d < devices; d++) {
      if (used[d] || !problem.usable[d] || (done === 0 && !problem.ends[d])) continue;
      used[d] = true;
      const arrive = done === 0 ? s.entry[d] : s.hop[last][d];
      const arriveMax = done === 0 ? m.entry[d] : m.hop[last][d];
      for (let n = 1; done + n <= layers; n++) {
        const pin = problem.pin[done + n - 1];
        if (pin >= 0 && pin !== d) break;
        const end = done + n === layers;
        if (end && !problem.ends[d]) continue;
        if (
          stageBytes(problem, done, done + n - 1) + problem.overheadBytes[d] >
            problem.memoryBytes[d]
        ) {
          continue;
        }
        const sumNow = sum + arrive + stageCost(s, d, n, done === 0, end) + (end ? s.exit[d] : 0);
        const maxNow = Math.max(
          max,
          arriveMax,
          stageCost(m, d, n, done === 0, end),
          end ? m.exit[d] : 0,
        );
        if (sumNow === Infinity || maxNow === Infinity) continue;
        if (!end) visit(d, done + n, sumNow, maxNow);
        else if (problem.must?.every((must, k) => !must || used[k]) ?? true) {
          best.sum = Math.min(best.sum, sumNow);
          best.max = Math.min(best.max, maxNow);
          best.value = Math.min(best.value, objective(problem, sumNow, maxNow));
        }
      }
      used[d] = false;
    }
  };
  visit(-1, 0, 0, 0);
  return best;
}
