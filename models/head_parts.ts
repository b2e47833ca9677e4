/**
 * How the LM head is cut by vocabulary rows, so that several devices can share it.
 *
 * The cut depends on the vocabulary alone. Every device computes each of its parts as a product of
 * its own, also a device that has them all: so logits do not depend on who has which part.
 *
 * @module
 */

/** Tokens with ids in a row. */
export interface TokenRange {
  /** Id of the first token. */
  first: number;
  /** Number of tokens. */
  rows: number;
}

/** Number of parts of an LM head; `actors/pipeline` has the same number. */
export const HEAD_PARTS = 8;

/**
 * Multiples of rows at which parts may begin, the preferred one first. The kernels of products
 * compute so many rows of weights at a time, and are slower for what is left.
 */
const STEPS = [128, 32, 8, 1];

/**
 * First row of each part and, at the end, the number of rows: 9 numbers, ascending. The parts
 * differ by one step at most. A vocabulary of fewer than 8 tokens has empty parts.
 */
export function headBounds(vocab: number): number[] {
  const step = STEPS.find((s) => vocab >= HEAD_PARTS * s) ?? 1;
  return Array.from(
    { length: HEAD_PARTS + 1 },
    (_, part) =>
      part === HEAD_PARTS ? vocab : Math.round(part * vocab / (HEAD_PARTS * step)) * step,
  );
}
