/**
 * The baseline: the Jupiter paper's layer partition (arXiv 2504.08242, section on parallelism
 * planning).
 *
 * @module
 */
import { fits, prepare } from "../../../planner/placement/instance.ts";
import {
  type PlacedStage,
  type PlacementProblem,
  stageCost,
} from "../../../planner/placement/problem.ts";

/**
 * Places stages on all usable devices in input order, so that the slowest stage plus the hop into
 * it is least: `A(y, n) = min over l < y of max(A(l, n - 1), T_stage(l + 1 .. y, d_n) +
 * T_comm(d_(n-1) -> d_n))`, by the `max` costs; infinite where a stage exceeds its device's memory.
 * Undefined if there is none, or if there are fewer layers than devices. Pins and ends, which the
 * paper does not know, are respected.
 */
export function paperPartition(problem: PlacementProblem): PlacedStage[] | undefined {
  const instance = prepare(problem);
  const { layers, max: costs } = problem;
  const order = problem.usable.flatMap((usable, d) => usable ? [d] : []);
  if (order.length === 0 || !problem.ends[order[0]] || !problem.ends[order[order.length - 1]]) {
    return undefined;
  }
  const width = layers + 1;
  const slowest = new Float64Array((order.length + 1) * width).fill(Infinity);
  const from = new Int32Array((order.length + 1) * width);
  slowest[0] = 0;
  order.forEach((d, i) => {
    const arrive = i === 0 ? costs.entry[d] : costs.hop[order[i - 1]][d];
    const end = i === order.length - 1;
    for (let done = i; done < layers; done++) {
      const before = slowest[i * width + done];
      if (before === Infinity) continue;
      for (let y = done + 1; y <= layers && fits(instance, d, done, y - done); y++) {
        const pin = problem.pin[y - 1];
        if (pin >= 0 && pin !== d) break;
        if (end !== (y === layers)) continue;
        const cost = Math.max(before, stageCost(costs, d, y - done, i === 0, end) + arrive);
        if (cost >= slowest[(i + 1) * width + y]) continue;
        slowest[(i + 1) * width + y] = cost;
        from[(i + 1) * width + y] = done;
      }
    }
  });
  if (slowest[order.length * width + layers] === Infinity) return undefined;
  const stages: PlacedStage[] = [];
  for (let i = order.length, y = layers; i > 0; i--) {
    const first = from[i * width + y];
    stages.unshift({ device: order[i - 1], first, last: y - 1 });
    y = first;
  }
  return stages;
}
