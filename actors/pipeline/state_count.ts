/**
 * How many recurrent states an arena keeps. The engine allocates so many, and the planner counts
 * their bytes: both ask here.
 *
 * @module
 */

/** States beside one of zeros: one for so many rows of the arena, within these bounds. */
export interface StatesKept {
  /** Rows of the arena for each state. */
  rowsEach: number;
  /** Fewest states. */
  least: number;
  /** Most states. */
  most: number;
}

/** The states that arenas keep. */
export const STATES_KEPT: StatesKept = { rowsEach: 128, least: 2, most: 16 };

/** Recurrent states for which an arena of `rows` rows has room, that of zeros included. */
export function stateCount(
  rows: number,
  { rowsEach, least, most }: StatesKept = STATES_KEPT,
): number {
  return 1 + Math.min(most, Math.max(least, Math.ceil(rows / rowsEach)));
}
