/**
 * The grid of a sequence problem: where a prompt may be cut, and the seconds of each piece between
 * two cuts.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import type { SequenceProblem } from "./problem.ts";

/** Most steps in which a prompt is cut, where the problem has no step and the limits allow it. */
export const USUAL_STEPS = 64;
/** How many sizes a piece can have at least, in a prompt that is too long for so few steps. */
const LEAST_SIZES = 4;

/**
 * Costs of all pieces on the grid. A piece spans at most `band` steps, so only these are stored:
 * the piece from grid point j to k is at index j * band + k - j - 1 of each array. Memory thus
 * grows with the prompt, not with its square.
 */
export interface Grid {
  /** Grid points 0 = starts[0] < ... < starts[n] = tokens. (n + 1) */
  starts: number[];
  /** Number of stages. */
  stages: number;
  /** Most steps that a piece may span; 1 to n. */
  band: number;
  /** 1: the piece is allowed; 0: it is not. (n)(band) */
  allowed: Uint8Array;
  /** Seconds of the piece at each stage; Infinity where it is not allowed. (stages)(n)(band) */
  seconds: Float64Array[];
  /** Seconds of the hop to each stage; Infinity where it is not allowed. (stages)(n)(band) */
  hops: Float64Array[];
}

/** Where a prompt may be cut, without the seconds of pieces. */
type Cuts = Pick<Grid, "starts" | "band" | "allowed">;

/** Limits of the pieces. */
interface Limits {
  /** Rows of the prompt. */
  tokens: number;
  /** Fewest rows of a piece. */
  least: number;
  /** Most rows of a piece. */
  most: number;
}

/**
 * Makes the grid and evaluates each allowed piece once. Throws group `planner`, code `bad_sequence`
 * for a prompt of no rows, for limits that are not whole numbers from 1, and for limits that no cut
 * meets (metadata: the limits).
 */
export function gridOf(problem: SequenceProblem): Grid {
  const { tokens, stages } = problem;
  const least = Math.min(tokens, problem.minPieceRows ?? 1);
  const most = problem.maxPieceRows ?? tokens;
  const usual = problem.step ?? usualStep(tokens);
  const bad = (what: string) =>
    new OrreryError({
      group: "planner",
      code: "bad_sequence",
      message: `prompt pieces: ${what}`,
      metadata: {
        tokens,
        step: usual,
        minPieceRows: least,
        maxPieceRows: most,
        stages: stages.length,
      },
    });
  const whole = (v: number) => Number.isInteger(v) && v >= 1;
  if (!whole(tokens) || !whole(usual) || !whole(least) || !whole(most) || stages.length === 0) {
    throw bad(
      `tokens ${tokens}, step ${usual}, minPieceRows ${least} and maxPieceRows ${most} must be whole numbers from 1, stages at least one`,
    );
  }
  const limits = { tokens, least, most };
  let cuts = cutsOf(limits, usual);
  if (problem.step === undefined) {
    for (let step = finerStep(most, usual); !cuts && step >= 1; step = Math.floor(step / 2)) {
      cuts = cutsOf(limits, step);
    }
  }
  if (!cuts) {
    throw bad(
      `no cut of ${tokens} rows in steps of ${usual} has pieces of ${least} to ${most} rows; use a smaller step or wider limits`,
    );
  }
  return withCosts(problem, cuts);
}

/** The smallest multiple of 8 that cuts the prompt in at most {@linkcode USUAL_STEPS} steps. */
function usualStep(tokens: number): number {
  return 8 * Math.max(1, Math.ceil(tokens / (8 * USUAL_STEPS)));
}

/**
 * The step of a prompt for which the usual step leaves no cut: nearly always a prompt so long that
 * the usual step exceeds the longest piece. It is the largest multiple of 8 of which the longest
 * piece holds {@linkcode LEAST_SIZES}, so that the search still has sizes to choose from. A smaller
 * step would give more sizes, but the grid, the search and the plan's list of pieces grow with the
 * number of steps: 8192 for 2^20 rows in pieces of at most 512.
 */
function finerStep(most: number, usual: number): number {
  return Math.min(usual, 8 * Math.max(1, Math.floor(most / (8 * LEAST_SIZES))));
}

/**
 * The cuts in steps of so many rows; undefined: no sequence of allowed pieces leads to the prompt's
 * end.
 */
function cutsOf({ tokens, least, most }: Limits, step: number): Cuts | undefined {
  const starts: number[] = [];
  for (let at = 0; at < tokens; at += step) starts.push(at);
  starts.push(tokens);
  const end = starts.length - 1;
  // the last step may be shorter than the others, so a piece may hold one step more there
  const band = Math.min(end, Math.floor(most / step) + 1);
  const allowed = new Uint8Array(end * band);
  const reachable = new Uint8Array(end + 1);
  reachable[0] = 1;
  for (let j = 0; j < end; j++) {
    if (!reachable[j]) continue;
    for (let k = j + 1; k <= Math.min(j + band, end); k++) {
      const rows = starts[k] - starts[j];
      if (rows < least || rows > most) continue;
      reachable[k] = 1;
      allowed[j * band + k - j - 1] = 1;
    }
  }
  return reachable[end] ? { starts, band, allowed } : undefined;
}

/** The grid of these cuts, with the seconds of each allowed piece. */
function withCosts({ stages }: SequenceProblem, { starts, band, allowed }: Cuts): Grid {
  const end = starts.length - 1;
  const seconds = stages.map(() => new Float64Array(end * band).fill(Infinity));
  const hops = stages.map(() => new Float64Array(end * band).fill(Infinity));
  for (let j = 0; j < end; j++) {
    for (let k = j + 1; k <= Math.min(j + band, end); k++) {
      const at = j * band + k - j - 1;
      if (!allowed[at]) continue;
      const piece = { rows: starts[k] - starts[j], past: starts[j], last: k === end };
      for (let s = 0; s < stages.length; s++) {
        seconds[s][at] = stages[s].seconds(piece);
        hops[s][at] = stages[s].hop?.(piece) ?? 0;
      }
    }
  }
  return { starts, stages: stages.length, band, allowed, seconds, hops };
}
