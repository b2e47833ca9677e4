/**
 * The sequence problem: to cut a prompt into pieces that flow through a pipeline.
 *
 * @module
 */

/** A piece of a prompt. */
export interface Piece {
  /** Rows of the piece. */
  rows: number;
  /** Rows of the prompt before it. */
  past: number;
  /** Whether it is the prompt's last piece, which gives the first token. */
  last: boolean;
}

/** A stage of the pipeline. A link that is occupied while it transfers is a stage too. */
export interface PieceStage {
  /** Seconds for which a piece occupies the stage; not negative. */
  seconds: (piece: Piece) => number;
  /**
   * Seconds from the piece's end at the stage before until it arrives; they occupy no stage. Of the
   * first stage: seconds before it begins. @default 0
   */
  hop?: (piece: Piece) => number;
}

/** A sequence problem; see the module's text. */
export interface SequenceProblem {
  /** Rows of the prompt; at least 1. */
  tokens: number;
  /** The stages, in pipeline order; at least one. */
  stages: PieceStage[];
  /**
   * Rows of a step: pieces begin at its multiples. @default the smallest multiple of 8 that cuts
   * the prompt in at most 64 steps; where no cut in these steps meets the limits (they are longer
   * than the longest piece), a step of which the longest piece holds four or more
   */
  step?: number;
  /** Fewest rows of a piece, also of the last one; a shorter prompt is one piece. @default 1 */
  minPieceRows?: number;
  /** Most rows of a piece. @default tokens */
  maxPieceRows?: number;
}

/** The pieces of a prompt, with a bound for any others. */
export interface SequencePlan {
  /** Rows of each piece, in order. */
  pieces: number[];
  /** Value of the objective, in seconds. */
  seconds: number;
  /** A lower bound, in seconds, for any pieces on the grid; equal to `seconds` where `exact`. */
  lowerBound: number;
  /** Whether the pieces are proven optimal on the grid. */
  exact: boolean;
}

/**
 * Seconds until the last piece leaves the last stage, by the pipeline's own recurrence. The pieces
 * need not be on a grid.
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
 * The paper's objective: sum of t + (N - 1) max t, where t is a piece's seconds on its slowest
 * stage. The pieces need not be on a grid.
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
