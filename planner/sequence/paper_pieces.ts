/**
 * The paper's sequence partition (TeraPipe's method), as the baseline that the true recurrence is
 * compared with.
 *
 * @module
 */
import { gridOf, type SequencePlan, type SequenceProblem } from "./problem.ts";

/**
 * Pieces that minimise sum of t + (N - 1) max t, exactly on the grid; t is a piece's time on its
 * slowest stage (hops are not part of this objective). Throws `bad_sequence` as {@linkcode gridOf}
 * does.
 *
 * For a limit on t, a one-dimensional DP finds the least sum. Limits fall from infinity: a least
 * sum with largest piece m is the best of all partitions whose largest piece lies between m and the
 * limit, so the next limit is below m, and the end is reached when the sum alone is no better than
 * what is known.
 */
export function paperPieces(problem: SequenceProblem): SequencePlan {
  const { starts, stages, allowed, seconds } = gridOf(problem);
  const width = starts.length;
  const slowest = new Float64Array(width * width).fill(Infinity);
  for (let at = 0; at < slowest.length; at++) {
    if (allowed[at]) slowest[at] = Math.max(...seconds.map((t) => t[at]));
  }
  let best: { pieces: number[]; seconds: number } | null = null;
  for (let limit = Infinity;;) {
    const found = leastSum({ slowest, width, limit });
    if (!found || (best && found.sum >= best.seconds)) break;
    const value = found.sum + (stages - 1) * found.max;
    if (!best || value < best.seconds) {
      best = {
        pieces: found.cuts.slice(1).map((k, i) => starts[k] - starts[found.cuts[i]]),
        seconds: value,
      };
    }
    if (stages === 1) break; // the sum is the objective
    limit = found.max;
  }
  return { ...best!, lowerBound: best!.seconds, exact: true };
}

/**
 * Least sum of t over partitions whose every t is below the limit; of equal sums, whichever is
 * found first.
 */
function leastSum(
  { slowest, width, limit }: { slowest: Float64Array; width: number; limit: number },
) {
  const sum = new Float64Array(width).fill(Infinity);
  const from = new Int32Array(width).fill(-1);
  sum[0] = 0;
  for (let k = 1; k < width; k++) {
    for (let j = 0; j < k; j++) {
      const t = slowest[j * width + k];
      if (t < limit && sum[j] + t < sum[k]) {
        sum[k] = sum[j] + t;
        from[k] = j;
      }
    }
  }
  if (sum[width - 1] === Infinity) return null;
  const cuts: number[] = [];
  for (let k = width - 1; k >= 0; k = from[k]) cuts.unshift(k);
  let max = 0;
  for (let i = 1; i < cuts.length; i++) max = Math.max(max, slowest[cuts[i - 1] * width + cuts[i]]);
  return { sum: sum[width - 1], max, cuts };
}
