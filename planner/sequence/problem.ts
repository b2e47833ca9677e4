/**
 * The sequence problem: cut a prompt into pieces that flow through a pipeline.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

/** A piece of a prompt. */
export interface Piece {
  /** Rows that it holds. */
  rows: number;
  /** Rows of the prompt before it. */
  past: number;
  /** Is it the prompt's end, whose last row's token is wanted? */
  last: boolean;
}

/** One stage of the pipeline; a link that is busy while it transfers is a stage too. */
export interface PieceStage {
  /** Seconds for which a piece occupies it; never negative. */
  seconds: (piece: Piece) => number;
  /**
   * Seconds from the end at the stage before until the piece is here, occupying nobody; of the
   * first stage: before it begins. @default 0
   */
  hop?: (piece: Piece) => number;
}

/** See the module's text. */
export interface SequenceProblem {
  /** Rows of the prompt; at least 1. */
  tokens: number;
  /** In pipeline order; at least one. */
  stages: PieceStage[];
  /**
   * Pieces begin at multiples of it. @default the smallest multiple of 8 that cuts the prompt in at
   * most 64 steps
   */
  step?: number;
  /** Fewest rows of a piece, the last included; a shorter prompt is one piece. @default 1 */
  minPieceRows?: number;
  /** Most rows of a piece. @default tokens */
  maxPieceRows?: number;
}

/** Pieces with what is known about them. */
export interface SequencePlan {
  /** Rows of each piece, in order. */
  pieces: number[];
  /** Value of the objective. */
  seconds: number;
  /** Nothing on the grid is below it. Equal to `seconds` where `exact`. */
  lowerBound: number;
  /** Is it proven optimal on the grid? */
  exact: boolean;
}

/** Costs of all pieces on the grid: piece from grid point j to k at stage s. */
export interface Grid {
  /** Grid points 0 = starts[0] < ... < starts[n] = tokens. (n + 1) */
  starts: number[];
  stages: number;
  /** May a piece go from point j to point k? (n + 1)(n + 1), row-major, 1 or 0 */
  allowed: Uint8Array;
  /** Seconds by stage. (stages)(n + 1)(n + 1) */
  seconds: Float64Array[];
  /** Hop seconds before the stage. (stages)(n + 1)(n + 1) */
  hops: Float64Array[];
}

/**
 * Evaluates every piece of the grid once. Throws group `planner`: `bad_sequence` for numbers that
 * are no prompt, and for limits that no cut meets (metadata: the limits).
 */
export function gridOf(problem: SequenceProblem): Grid {
  const { tokens, stages } = problem;
  const step = problem.step ?? 8 * Math.max(1, Math.ceil(tokens / (8 * 64)));
  const least = Math.min(tokens, problem.minPieceRows ?? 1);
  const most = problem.maxPieceRows ?? tokens;
  const bad = (what: string) =>
    new OrreryError({
      group: "planner",
      code: "bad_sequence",
      message: `prompt pieces: ${what}`,
      metadata: { tokens, step, minPieceRows: least, maxPieceRows: most, stages: stages.length },
    });
  const whole = (v: number) => Number.isInteger(v) && v >= 1;
  if (!whole(tokens) || !whole(step) || !whole(least) || !whole(most) || stages.length === 0) {
    throw bad(
      `tokens ${tokens}, step ${step}, minPieceRows ${least} and maxPieceRows ${most} must be whole numbers from 1, stages at least one`,
    );
  }
  const starts: number[] = [];
  for (let at = 0; at < tokens; at += step) starts.push(at);
  starts.push(tokens);
  const width = starts.length;
  const allowed = new Uint8Array(width * width);
  const seconds = stages.map(() => new Float64Array(width * width).fill(Infinity));
  const hops = stages.map(() => new Float64Array(width * width).fill(Infinity));
  const reachable = new Uint8Array(width);
  reachable[0] = 1;
  for (let j = 0; j < width; j++) {
    if (!reachable[j]) continue;
    for (let k = j + 1; k < width; k++) {
      const rows = starts[k] - starts[j];
      if (rows < least || rows > most) continue;
      reachable[k] = 1;
      const piece = { rows, past: starts[j], last: k === width - 1 };
      allowed[j * width + k] = 1;
      for (let s = 0; s < stages.length; s++) {
        seconds[s][j * width + k] = stages[s].seconds(piece);
        hops[s][j * width + k] = stages[s].hop?.(piece) ?? 0;
      }
    }
  }
  if (!reachable[width - 1]) {
    throw bad(
      `no cut of ${tokens} rows in steps of ${step} has pieces of ${least} to ${most} rows; use a smaller step or wider limits`,
    );
  }
  return { starts, stages: stages.length, allowed, seconds, hops };
}

/**
 * Seconds until the last piece leaves the last stage, by the pipeline's own recurrence; for any
 * pieces, on the grid or not.
 */
export function pipelineSeconds(stages: PieceStage[], pieces: number[]): number {
  const total = pieces.reduce((a, b) => a + b, 0);
  const free = new Float64Array(stages.length);
  let past = 0;
  for (const rows of pieces) {
    const piece = { rows, past, last: past + rows === total };
    let at = 0;
    for (let s = 0; s < stages.length; s++) {
      at = free[s] = Math.max(free[s], at + (stages[s].hop?.(piece) ?? 0)) +
        stages[s].seconds(piece);
    }
    past += rows;
  }
  return free[stages.length - 1];
}

/**
 * The paper's objective for any pieces: sum of t + (N - 1) max t, t being a piece's time on its
 * slowest stage.
 */
export function paperSeconds(stages: PieceStage[], pieces: number[]): number {
  const total = pieces.reduce((a, b) => a + b, 0);
  let [sum, max, past] = [0, 0, 0];
  for (const rows of pieces) {
    const piece = { rows, past, last: past + rows === total };
    const slowest = Math.max(...stages.map((stage) => stage.seconds(piece)));
    sum += slowest;
    max = Math.max(max, slowest);
    past += rows;
  }
  return sum + (stages.length - 1) * max;
}
