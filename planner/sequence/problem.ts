/**
 * The sequence problem: cut a prompt into pieces that flow through a pipeline.
 *
 * @module
 */

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
   * most 64 steps; where no cut in these steps meets the limits (they are longer than the longest
   * piece), a step of which the longest piece holds four or more
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
