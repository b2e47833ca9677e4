/**
 * The pieces in which a prompt is sent.
 *
 * @module
 */
import type { Shape } from "../pipeline/mod.ts";

/**
 * Rows of a piece of a prompt where neither the request nor the plan says. Larger pieces were
 * measured to be slower on slow cores.
 */
const PIECE_ROWS = 64;

/** Rows of a prompt's next piece. */
export const nextPiece = (
  job: { readonly pieces: readonly number[]; readonly gone: number },
): number => job.pieces[Math.min(job.gone, job.pieces.length - 1)];

/** Rows of the pieces, in order, that the plan has for a prompt of `rows` rows. */
export function plannedPieces(shape: Shape, rows: number): readonly number[] {
  const bucket = shape.pieces.find((b) => b.prompt_tokens >= rows) ?? shape.pieces.at(-1);
  return bucket?.rows ?? [PIECE_ROWS];
}
