/**
 * Continuous speculation: frames of drafts follow each other through the stages without waiting for
 * verdicts (SpecPipe, arXiv 2504.04104; PipeInfer, Butler et al. 2024).
 *
 *     stage 0   a b c d e f g X . .        each letter a frame of `rows` rows
 *     stage 1     a b c d e f . . .        the verdict on a is here when e begins
 *
 * A frame leaves every `interval` milliseconds. The verdict that rejects a token makes all frames
 * behind it useless: they are called back, and a new one starts with the right token. With g tokens
 * accepted since the last start, the rejecting row is in frame floor(g / rows). So a run takes
 * `restart + interval * E[floor(g / rows)]` and gives `E[g] + 1 = 1 / (1 - a)` tokens, where
 * E[floor(g / rows)] = a^rows / (1 - a^rows). A draft model needs time for its first draft: the
 * right token's row goes alone, and the frames of drafts behind it. The formulas are written so that
 * they do not divide by 0 where a is 1.
 *
 * @module
 */

/** Input of {@linkcode continuousDrafts}. */
export interface ContinuousInput {
  /** Milliseconds of a frame of so many rows from the first stage to its answer, without waiting. */
  trip: (rows: number) => number;
  /** Milliseconds of a frame of so many rows at the slowest stage. */
  slowest: (rows: number) => number;
  /** Share of drafted tokens that come true after the ones before them did, 0 to 1. */
  acceptance: number;
  /** Milliseconds of one drafted token; 0 for drafts without a model. */
  draftMs: number;
  /** Most rows of a frame. */
  mostRows: number;
}

/** How drafts follow each other. */
export interface ContinuousDrafts {
  /** Rows of a frame. */
  rows: number;
  /** Frames under way when none is held up. */
  frames: number;
  /** Expected milliseconds for a token. */
  msPerToken: number;
}

/** Most frames that are under way at once: the arbiter's window is not larger for any pipeline. */
const MOST_FRAMES = 9;
/** Least interval that is divided by, milliseconds. */
const LEAST_MS = 1e-9;

/** The frame size with the fewest milliseconds for a token; of equal ones the smallest. */
export function continuousDrafts(
  { trip, slowest, acceptance: a, draftMs, mostRows }: ContinuousInput,
): ContinuousDrafts {
  let best: ContinuousDrafts = { rows: 1, frames: 1, msPerToken: Infinity };
  let powers = 0;
  for (let rows = 1; rows <= mostRows; rows++) {
    powers += a ** (rows - 1);
    const [way, busy] = [trip(rows), slowest(rows)];
    const interval = Math.max(busy, rows * draftMs, way / MOST_FRAMES, LEAST_MS);
    // A new frame may find the first stage at work on a useless one.
    const held = busy ** 2 / (2 * interval);
    const first = draftMs === 0
      ? way
      : (1 - a) * trip(1) + a * (Math.max(slowest(1), rows * draftMs) + way);
    const later = interval * a ** rows / powers * (draftMs === 0 ? 1 : a);
    const msPerToken = (1 - a) * (first + held) + later;
    if (msPerToken < best.msPerToken) {
      const frames = Math.max(1, Math.ceil(way / interval));
      best = { rows, frames, msPerToken };
    }
  }
  return best;
}
