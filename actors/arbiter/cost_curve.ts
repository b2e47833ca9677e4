/**
 * Milliseconds by a number of rows, as measured: running means, and straight lines between them.
 *
 * @module
 */

/** Least weight of the newest measurement in a running mean, 0 to 1. */
const NEWEST = 0.2;
/** Weight of the newest measurement where the one before is old, 0 to 1. */
const AFTER_LONG = 0.5;
/** A measurement is old when so many others have been made since. */
const OLD = 64;

/** Running mean of the measurements of one bucket of row counts. */
interface MeasuredRows {
  /** Mean number of rows. */
  rows: number;
  /** Mean of the milliseconds. */
  ms: number;
  /** Number of all measurements when this one was last made. */
  at: number;
}

/** See the module's text. */
export class CostCurve {
  readonly #prior: (rows: number) => number;
  /** One for each bucket that was measured, ascending in rows. */
  readonly #measured: MeasuredRows[] = [];
  /** Number of measurements. */
  #count = 0;

  /**
   * @param prior Milliseconds guessed for a number of rows: where nothing was measured they count,
   * and beyond what was measured their ratios.
   */
  constructor(prior: (rows: number) => number) {
    this.#prior = prior;
  }

  /** Number of measurements: while it stays the same, so does all that {@linkcode CostCurve.at} says. */
  get measurements(): number {
    return this.#count;
  }

  /** Takes in that `rows` rows took `ms` milliseconds. */
  measure(rows: number, ms: number): void {
    const now = ++this.#count;
    const bucket = bucketOf(rows);
    const at = this.#measured.findIndex((m) => bucketOf(m.rows) >= bucket);
    const known = this.#measured[at];
    if (!known || bucketOf(known.rows) !== bucket) {
      this.#measured.splice(at < 0 ? this.#measured.length : at, 0, { rows, ms, at: now });
      return;
    }
    const weight = now - known.at > OLD ? AFTER_LONG : NEWEST;
    known.rows += weight * (rows - known.rows);
    known.ms += weight * (ms - known.ms);
    known.at = now;
  }

  /**
   * Milliseconds for `rows` rows: on a straight line between the nearest measured sizes; beyond
   * them, those of the nearest times the ratio of the guesses.
   */
  at(rows: number): number {
    const measured = this.#measured;
    const at = measured.findIndex((m) => m.rows >= rows);
    const above = measured[at];
    const below = at < 0 ? measured.at(-1) : measured[at - 1];
    if (!above && !below) return this.#prior(rows);
    if (!below) return above.ms * this.#prior(rows) / this.#prior(above.rows);
    if (!above) return below.ms * this.#prior(rows) / this.#prior(below.rows);
    const share = (rows - below.rows) / (above.rows - below.rows);
    return below.ms + share * (above.ms - below.ms);
  }
}

/** Bucket of a row count: one for each up to 8, then four for each doubling. */
export const bucketOf = (rows: number): number =>
  rows <= 8 ? Math.round(rows) : Math.round(8 + 4 * Math.log2(rows / 8));
