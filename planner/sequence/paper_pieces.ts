/**
 * The paper's sequence partition (TeraPipe's method). It is the baseline for the partition by the
 * pipeline's own recurrence.
 *
 * @module
 */
import { type Grid, gridOf } from "./grid.ts";
import type { SequencePlan, SequenceProblem } from "./problem.ts";

/**
 * Pieces that minimise sum of t + (N - 1) max t, exactly on the grid, where t is a piece's seconds
 * on its slowest stage (hops are not part of this objective). Throws `bad_sequence` as
 * {@linkcode gridOf} does.
 *
 * For a limit on t, a one-dimensional DP finds the least sum. The limit begins at infinity. A least
 * sum whose largest piece is m is the best of all partitions whose largest piece lies between m and
 * the limit, so the next limit is m. The search ends when the sum alone is no better than the best
 * value.
 *
 * @param options.maxWork most pieces that are examined, over all limits. After them the best pieces
 * so far are the answer, `exact` is false, and `lowerBound` is the last sum. A long prompt has
 * thousands of limits, one for each of its pieces. @default Infinity
 */
export function paperPieces(
  problem: SequenceProblem,
  options: { maxWork?: number } = {},
): SequencePlan {
  const grid = gridOf(problem);
  const { starts, stages, allowed, seconds } = grid;
  const slowest = new Float64Array(allowed.length).fill(Infinity);
  for (let at = 0; at < slowest.length; at++) {
    if (allowed[at]) slowest[at] = Math.max(...seconds.map((t) => t[at]));
  }
  let best: { pieces: number[]; seconds: number } | null = null;
  let lowerBound: number | undefined;
  let work = options.maxWork ?? Infinity;
  for (let limit = Infinity;;) {
    const found = leastSum(grid, slowest, limit);
    if (!found || (best && found.sum >= best.seconds)) break;
    const value = found.sum + (stages - 1) * found.max;
    if (!best || value < best.seconds) {
      best = {
        pieces: found.cuts.slice(1).map((k, i) => starts[k] - starts[found.cuts[i]]),
        seconds: value,
      };
    }
    if (stages === 1) break; // with one stage the sum is the objective
    limit = found.max;
    work -= slowest.length;
    if (work <= 0) {
      // the sum does not fall when the limit does, so it is a bound for all that follows
      lowerBound = Math.min(best.seconds, found.sum);
      break;
    }
  }
  lowerBound ??= best!.seconds;
  return { ...best!, lowerBound, exact: lowerBound >= best!.seconds };
}

/**
 * The least sum of t over partitions all of whose t are below the limit; null: there is none.
 * `cuts`: grid points of its cuts.
 */
function leastSum({ starts, band }: Grid, slowest: Float64Array, limit: number) {
  const end = starts.length - 1;
  const sum = new Float64Array(end + 1).fill(Infinity);
  const from = new Int32Array(end + 1).fill(-1);
  sum[0] = 0;
  for (let k = 1; k <= end; k++) {
    for (let j = Math.max(0, k - band); j < k; j++) {
      const t = slowest[j * band + k - j - 1];
      if (t < limit && sum[j] + t < sum[k]) {
        sum[k] = sum[j] + t;
        from[k] = j;
      }
    }
  }
  if (sum[end] === Infinity) return null;
  const cuts: number[] = [];
  for (let k = end; k >= 0; k = from[k]) cuts.push(k);
  cuts.reverse();
  let max = 0;
  for (let i = 1; i < cuts.length; i++) {
    max = Math.max(max, slowest[cuts[i - 1] * band + cuts[i] - cuts[i - 1] - 1]);
  }
  return { sum: sum[end], max, cuts };
}
