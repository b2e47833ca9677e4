/**
 * Sequence partition by the pipeline's own recurrence: with stages of unequal speed, links between
 * them, and pieces that wait.
 *
 * @module
 */
import { type Grid, gridOf, USUAL_STEPS } from "./grid.ts";
import { paperPieces } from "./paper_pieces.ts";
import { pipelineSeconds, type SequencePlan, type SequenceProblem } from "./problem.ts";

/** A partition of the rows up to a grid point, and when each stage has finished it. */
interface Label {
  /**
   * Finish time of each stage in seconds, raised to the earliest moment at which a further piece
   * could arrive. (stages)
   */
  free: Float64Array;
  /** Lower bound, in seconds, of any partition that continues it. */
  bound: number;
  /** Index of its grid point. */
  at: number;
  /** The label that its last piece was added to; null: it has no piece. */
  before: Label | null;
}

/** Default of `maxLabels`. */
const MOST_LABELS = 2000;
/** Labels that the first, narrow search keeps at a grid point. */
const NARROW = 16;
/** Labels that a grid point may have at least, however many points there are. */
const LEAST_LABELS = 4;
/**
 * Most pieces that the paper's search examines: as many as it needs for a prompt of
 * {@linkcode USUAL_STEPS} steps with one limit for each piece.
 */
const PAPER_WORK = USUAL_STEPS ** 2 * (USUAL_STEPS * (USUAL_STEPS + 1) / 2);

/**
 * Pieces that minimise the moment when the last piece leaves the last stage:
 *
 *     finish[i][s] = max(finish[i-1][s], finish[i][s-1] + hop_s(i)) + t_s(i)
 *
 * Label setting over vectors of finish times. At each grid point only labels are kept that no other
 * label covers (is nowhere later than), and whose lower bound is below the best partition known.
 * The result is exact on the grid unless a point would have more than `maxLabels` labels: then the
 * most promising ones stay, and `lowerBound` bounds what the dropped ones might have given. The
 * pieces are never worse, under this recurrence, than any equal pieces, or than the paper's as far
 * as these are found with a limited amount of work. Throws `bad_sequence` as {@linkcode gridOf}
 * does.
 *
 * Time and memory grow with points times labels. So a prompt with more than {@linkcode USUAL_STEPS}
 * grid points keeps fewer labels at each, in proportion: as many in all as a prompt of that many
 * points, but at least {@linkcode LEAST_LABELS}. The longer the prompt, the less a narrow search
 * loses: nearly all of the prompt's time is that of the slowest stage, which is busy from the first
 * piece to the last, and only filling and draining the pipeline depends on more.
 *
 * @param options.maxLabels most labels at a grid point, of up to {@linkcode USUAL_STEPS} points.
 * @default 2000
 */
export function pipelinePieces(
  problem: SequenceProblem,
  options: { maxLabels?: number } = {},
): SequencePlan {
  const grid = gridOf(problem);
  const bounds = boundsOf(grid);
  let [pieces, seconds] = [[] as number[], Infinity];
  for (
    const start of [paperPieces(problem, { maxWork: PAPER_WORK }).pieces, ...equalPieces(grid)]
  ) {
    const value = pipelineSeconds(problem.stages, start);
    if (value < seconds) [pieces, seconds] = [start, value];
  }
  // a narrow search comes first: with its answer the wide one can drop labels early
  const maxLabels = labelsOf(options.maxLabels ?? MOST_LABELS, grid.starts.length - 1);
  let lowerBound = 0;
  for (const width of maxLabels > 2 * NARROW ? [NARROW, maxLabels] : [maxLabels]) {
    const found = search(grid, { bounds, maxLabels: width, limit: seconds });
    if (found.label) {
      pieces = piecesOf(grid, found.label);
      seconds = pipelineSeconds(problem.stages, pieces);
    }
    lowerBound = Math.min(seconds, found.dropped);
    if (lowerBound >= seconds) break;
  }
  return { pieces, seconds, lowerBound, exact: lowerBound >= seconds };
}

/** Labels that are kept at each of so many grid points. */
function labelsOf(maxLabels: number, points: number): number {
  if (points <= USUAL_STEPS) return maxLabels;
  return Math.min(maxLabels, Math.max(LEAST_LABELS, Math.floor(maxLabels * USUAL_STEPS / points)));
}

/**
 * Every partition of the grid into equal pieces and a rest. It is the usual practice, and gives the
 * search a limit.
 */
function* equalPieces({ starts, band, allowed }: Grid): Generator<number[]> {
  const end = starts.length - 1;
  for (let points = 1; points <= band; points++) {
    const pieces: number[] = [];
    let j = 0;
    while (j < end) {
      const k = Math.min(j + points, end);
      if (!allowed[j * band + k - j - 1]) break;
      pieces.push(starts[k] - starts[j]);
      j = k;
    }
    if (j === end) yield pieces;
  }
}

/** Lower bounds, see {@linkcode boundsOf}. */
interface Bounds {
  /**
   * Least seconds from the moment when stage s is free at point j until all is done. (stages)(n +
   * 1)
   */
  rest: Float64Array[];
  /**
   * Least seconds from the moment when stage u is free at point j until a next piece can enter
   * stage s; u = s - 1 - d. [s][d](n + 1)
   */
  reach: Float64Array[][];
}

/** How many stages back the earliest arrival of a next piece is looked for. */
const LOOK_BACK = 6;

/**
 * Lower bounds of the remaining seconds. A finish time is the longest path through the lattice of
 * pieces and stages, so any family of paths bounds it. Here: the next piece goes from s to some
 * stage u, all further pieces are done at u, and the last one continues to the end.
 */
function boundsOf(grid: Grid): Bounds {
  const { stages, starts, band, allowed, seconds, hops } = grid;
  const width = starts.length;
  const end = width - 1;
  // ways[s]: seconds of a piece from entering stage 0 to entering stage s, so that any part of its
  // path is one subtraction
  const ways = [new Float64Array(allowed.length)];
  for (let s = 0; s < stages; s++) {
    const next = s + 1 < stages ? hops[s + 1] : null;
    ways.push(
      ways[s].map((way, at) => allowed[at] ? way + seconds[s][at] + (next ? next[at] : 0) : way),
    );
  }
  // alone[u][j]: least seconds of all pieces from point j on at stage u, then of the last one
  // through the later stages
  const alone = seconds.map((own, u) => {
    const least = new Float64Array(width).fill(Infinity);
    for (let j = end - 1; j >= 0; j--) {
      for (let k = j + 1; k <= Math.min(j + band, end); k++) {
        const at = j * band + k - j - 1;
        if (!allowed[at]) continue;
        const value = k === end ? ways[stages][at] - ways[u][at] : own[at] + least[k];
        if (value < least[j]) least[j] = value;
      }
    }
    return least;
  });
  const rest = alone.map((least) => Float64Array.from(least));
  const reach: Float64Array[][] = seconds.map((_, s) =>
    Array.from({ length: Math.min(s, LOOK_BACK) }, () => new Float64Array(width).fill(Infinity))
  );
  for (let s = 0; s < stages; s++) {
    for (let u = s + 1; u < stages; u++) {
      const arrives = u - s <= LOOK_BACK ? reach[u][u - s - 1] : null;
      for (let j = 0; j < end; j++) {
        let [least, arrive] = [Infinity, Infinity];
        for (let k = j + 1; k <= Math.min(j + band, end); k++) {
          const at = j * band + k - j - 1;
          if (!allowed[at]) continue;
          const path = ways[u][at] - ways[s][at];
          if (path < arrive) arrive = path;
          const value = k === end
            ? ways[stages][at] - ways[s][at]
            : path + seconds[u][at] + alone[u][k];
          if (value < least) least = value;
        }
        if (arrives) arrives[j] = arrive;
        if (least > rest[s][j]) rest[s][j] = least;
      }
    }
    rest[s][end] = 0;
  }
  return { rest, reach };
}

/** Options of {@linkcode search}. */
interface SearchOptions {
  bounds: Bounds;
  /** Most labels that are kept at a grid point. */
  maxLabels: number;
  /** Seconds of a known partition: only better ones are searched for. */
  limit: number;
}

/**
 * The best label at the prompt's end that is below the limit (null: there is none), and the least
 * bound of the labels that were dropped because there were too many.
 */
function search(grid: Grid, { bounds, maxLabels, limit }: SearchOptions) {
  const { stages, starts, band, allowed, seconds, hops } = grid;
  const end = starts.length - 1;
  const open: Label[][] = starts.map(() => []);
  open[0].push({ free: new Float64Array(stages), bound: 0, at: 0, before: null });
  let best: Label | null = null;
  let dropped = Infinity;
  const last = stages - 1;
  const scratch = new Float64Array(stages);
  for (let j = 0; j < end; j++) {
    const settled = undominated(open[j], { limit, maxLabels });
    dropped = Math.min(dropped, settled.dropped);
    open[j] = [];
    for (const label of settled.labels) {
      if (label.bound >= limit) continue; // the limit fell since the label was kept
      for (let k = j + 1; k <= Math.min(j + band, end); k++) {
        const at = j * band + k - j - 1;
        if (!allowed[at]) continue;
        let done = 0;
        for (let s = 0; s < stages; s++) {
          const arrives = done + hops[s][at];
          done = (label.free[s] > arrives ? label.free[s] : arrives) + seconds[s][at];
          scratch[s] = done;
        }
        let bound = scratch[last];
        if (k < end) {
          for (let s = 0; s < stages; s++) {
            // a stage waits for the next piece anyway, so being ready before its arrival gains
            // nothing
            const reach = bounds.reach[s];
            for (let d = 0; d < reach.length; d++) {
              const arrives = scratch[s - 1 - d] + reach[d][k];
              if (arrives > scratch[s]) scratch[s] = arrives;
            }
            const value = scratch[s] + bounds.rest[s][k];
            if (value > bound) bound = value;
          }
        }
        if (!(bound < limit)) continue;
        const next: Label = { free: scratch.slice(), bound, at: k, before: label };
        if (k === end) {
          best = next;
          limit = bound;
        } else open[k].push(next);
      }
    }
  }
  return { label: best, dropped };
}

/**
 * The most promising labels below the limit that no other label covers, at most `maxLabels`, and
 * the bound of the first one that was dropped. A label's bound is never above that of one that it
 * covers, so in this order a covering label comes first.
 */
function undominated(labels: Label[], { limit, maxLabels }: { limit: number; maxLabels: number }) {
  const sorted = labels.filter((label) => label.bound < limit).sort(byBound);
  const kept: Label[] = [];
  for (const label of sorted) {
    if (kept.some((other) => covers(other.free, label.free))) continue;
    if (kept.length === maxLabels) return { labels: kept, dropped: label.bound };
    kept.push(label);
  }
  return { labels: kept, dropped: Infinity };
}

/** Order of labels by their bound, then by their finish times. */
function byBound(a: Label, b: Label): number {
  if (a.bound !== b.bound) return a.bound - b.bound;
  for (let s = 0; s < a.free.length; s++) if (a.free[s] !== b.free[s]) return a.free[s] - b.free[s];
  return 0;
}

/** Whether no stage of `a` is later than that of `b`. */
function covers(a: Float64Array, b: Float64Array): boolean {
  for (let s = 0; s < a.length; s++) if (a[s] > b[s]) return false;
  return true;
}

/** Rows of each piece of a label's partition, in order. */
function piecesOf(grid: Grid, label: Label): number[] {
  const pieces: number[] = [];
  for (let at: Label = label; at.before; at = at.before) {
    pieces.push(grid.starts[at.at] - grid.starts[at.before.at]);
  }
  return pieces.reverse();
}
