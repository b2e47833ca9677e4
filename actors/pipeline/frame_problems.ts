/**
 * The conditions that the row arrays of every frame must meet, whatever the model and the arena.
 * Two borders ask for them: `frameSchema` when a frame comes from the network, and the engine
 * before it writes memory, since a caller may hand it a frame that never was on the network.
 *
 * This file imports no schemas, so that the engine needs none.
 *
 * @module
 */
import { LATE_MASK } from "./token_mask.ts";

/** The row arrays of a frame. */
export interface FrameRows {
  /** Slot of the first row. */
  base: number;
  /** Token id of each row. i32 (rows) */
  tokens: Int32Array;
  /** Position of each row. i32 (rows) */
  positions: Int32Array;
  /** Slot of each row's parent, -1 for a root. i32 (rows) */
  parents: Int32Array;
  /** Indices of the rows whose next token is wanted. i32 (wanted) */
  want: Int32Array;
  /** Sampler of each wanted row. i32 (wanted) */
  want_samplers: Int32Array;
  /** Mask of each wanted row, -1: none; undefined: no row has one. i32 (wanted) */
  want_masks?: Int32Array;
  /** Token that is given in place of a choice, -1: none; undefined: for no row. i32 (wanted) */
  want_given?: Int32Array;
}

/** Where no row names any. */
const NONE = new Int32Array(0);

/** A condition that a frame does not meet. */
export interface FrameProblem {
  /** What is wrong, with the row and the value. */
  message: string;
  /** Index of the row in the frame, and its slot, where one row is at fault. */
  metadata?: { row: number; slot?: number };
}

/** Problems of the arrays' lengths. {@linkcode rowProblems} presumes that there are none. */
export function* lengthProblems(
  { tokens, positions, parents, want, want_samplers, want_masks, want_given }: Omit<
    FrameRows,
    "base"
  >,
): Generator<FrameProblem> {
  const rows = tokens.length;
  if (rows === 0) yield { message: "frame has no rows" };
  if (positions.length !== rows || parents.length !== rows) {
    yield {
      message: `tokens, positions and parents must have one length, ` +
        `got ${rows}, ${positions.length}, ${parents.length}`,
    };
  }
  if (want_samplers.length !== want.length) {
    yield { message: `want has ${want.length} rows, want_samplers ${want_samplers.length}` };
  }
  if (want_masks && want_masks.length !== want.length) {
    yield { message: `want has ${want.length} rows, want_masks ${want_masks.length}` };
  }
  if (want_given && want_given.length !== want.length) {
    yield { message: `want has ${want.length} rows, want_given ${want_given.length}` };
  }
}

/**
 * Problems of single rows: a parent must stand in a lower slot, a position must not be negative.
 */
export function* rowProblems(
  { base, tokens, positions, parents }: Pick<
    FrameRows,
    "base" | "tokens" | "positions" | "parents"
  >,
): Generator<FrameProblem> {
  for (let row = 0; row < tokens.length; row++) {
    const slot = base + row;
    const parent = parents[row];
    if (parent < -1 || parent >= slot) {
      yield {
        message: `row ${row} (slot ${slot}) names parent slot ${parent}`,
        metadata: { row, slot },
      };
    }
    if (positions[row] < 0) {
      yield { message: `row ${row} has position ${positions[row]}`, metadata: { row, slot } };
    }
  }
}

/** Problems of `want`: it must name rows of the frame, and masks and tokens by their numbers. */
export function* wantProblems(
  { tokens: { length: rows }, want, want_masks = NONE, want_given = NONE }: Pick<
    FrameRows,
    "tokens" | "want" | "want_masks" | "want_given"
  >,
): Generator<FrameProblem> {
  for (const mask of want_masks) {
    if (mask < LATE_MASK) yield { message: `want_masks names mask ${mask}` };
  }
  for (const token of want_given) {
    if (token < -1) yield { message: `want_given names token ${token}` };
  }
  for (const row of want) {
    if (row < 0 || row >= rows) {
      yield { message: `want names row ${row} of ${rows}`, metadata: { row } };
    }
  }
}
