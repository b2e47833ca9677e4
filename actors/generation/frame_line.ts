/**
 * Milliseconds of a frame as a straight line over its rows, fitted to what frames took.
 *
 * @module
 */

/** Part of a frame's weight that is left after each later frame, 0 to 1. */
const FADE = 0.97;
/** Cost of one more row as a share of a frame of one row, until it is measured. */
const ROW_SHARE = 0.12;
/** Least cost of one more row as a share of a mean frame: measurements err. */
const LEAST_ROW_SHARE = 0.005;
/** Least cost of one more row in milliseconds: it is divided by. */
const LEAST_ROW_MS = 1e-6;
/** Numbers of {@linkcode FrameLine.snapshot}. */
export const LINE_FIGURES = 5;

/** See the module's text. */
export class FrameLine {
  /** Sums of earlier requests' frames: count, rows, ms, rows squared, rows * ms. */
  #before: number[];
  /** Frames of this request by rows, ascending: running mean of milliseconds, and their weight. */
  readonly #sizes: { rows: number; ms: number; weight: number }[] = [];

  /** `before`: the {@linkcode FrameLine.snapshot} of an earlier request. @default nothing */
  constructor(before: readonly number[] = new Array(LINE_FIGURES).fill(0)) {
    this.#before = [...before];
  }

  /**
   * Takes in that a frame of `rows` rows took `ms` milliseconds. `newest` gives its weight, 0 to 1,
   * in the running mean of its size, which is handed to it in milliseconds.
   */
  frame(rows: number, ms: number, newest: (mean: number) => number): void {
    for (const size of this.#sizes) size.weight *= FADE;
    this.#before = this.#before.map((sum) => sum * FADE);
    let at = this.#sizes.findIndex((size) => size.rows >= rows);
    if (at < 0) at = this.#sizes.length;
    if (this.#sizes[at]?.rows !== rows) this.#sizes.splice(at, 0, { rows, ms, weight: 0 });
    const size = this.#sizes[at];
    size.ms += newest(size.ms) * (ms - size.ms);
    size.weight++;
  }

  /** The sums of the line: count, rows, ms, rows squared, rows * ms. */
  snapshot(): number[] {
    let [count, sum, times, squares, products] = this.#before;
    let least = Infinity; // no frame takes longer than one of more rows
    for (let i = this.#sizes.length - 1; i >= 0; i--) {
      const { rows, ms, weight } = this.#sizes[i];
      least = Math.min(least, ms);
      count += weight;
      sum += weight * rows;
      times += weight * least;
      squares += weight * rows * rows;
      products += weight * rows * least;
    }
    return [count, sum, times, squares, products];
  }

  /** Milliseconds of a frame of r rows: `base + r * row`. Until one was seen, `base + row` is 1. */
  cost(): { base: number; row: number } {
    const [n, rows, ms, squares, products] = this.snapshot();
    if (n === 0) return { base: 1 - ROW_SHARE, row: ROW_SHARE };
    const mean = { rows: rows / n, ms: ms / n };
    const guess = mean.ms * ROW_SHARE / (1 + ROW_SHARE * (mean.rows - 1));
    const spread = squares - n * mean.rows ** 2;
    // The guess counts as one frame that is one row away from the mean: few sizes, or equal ones,
    // would give a wild slope.
    const slope = (products - n * mean.rows * mean.ms + guess) / (spread + 1);
    const row = Math.min(Math.max(slope, LEAST_ROW_SHARE * mean.ms), mean.ms / mean.rows);
    return { base: Math.max(mean.ms - row * mean.rows, 0), row: Math.max(row, LEAST_ROW_MS) };
  }
}
