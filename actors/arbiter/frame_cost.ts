/**
 * How long frames take, by their rows: measured as they come back, with a prior until then.
 *
 * @module
 */

/** When a stage had a frame, in its own clock's milliseconds. */
export interface StageTrace {
  stage: number;
  received: number;
  began: number;
  ended: number;
}

/** Weight of the newest measurement. */
const NEWEST = 0.2;
/** What a further row costs against the first, before anything was measured: 8 rows took 2.5 times as long as one. */
const PRIOR_ROW = 0.21;
/** Milliseconds of one row at one stage, before anything was measured. Only ratios matter. */
const PRIOR_MS = 50;

interface Measured {
  rows: number;
  /** Of the slowest stage. */
  slowest: number;
  /** Of all stages. */
  sum: number;
}

/** Online estimate of frame times. */
export class FrameCost {
  readonly #stages: number;
  /** By bucket, ascending in rows. */
  readonly #measured: Measured[] = [];
  #transit = 0;

  /** @param stages Number of stages. */
  constructor(stages: number) {
    this.#stages = stages;
  }

  /** Milliseconds of a small frame between its stages: links, mailboxes, encoding; not waiting for a busy stage. */
  get transitMs(): number {
    return this.#transit;
  }

  /** A frame came back, `tripMs` after it was handed to the first stage. */
  measure(rows: number, tripMs: number, trace: readonly StageTrace[]): void {
    if (trace.length === 0) return;
    const times = trace.map((t) => Math.max(0, t.ended - t.began));
    const slowest = Math.max(...times);
    const sum = times.reduce((a, b) => a + b, 0);
    const bucket = bucketOf(rows);
    const at = this.#measured.findIndex((m) => bucketOf(m.rows) >= bucket);
    const known = this.#measured[at];
    if (known && bucketOf(known.rows) === bucket) {
      for (const [key, value] of Object.entries({ rows, slowest, sum }) as [keyof Measured, number][]) {
        known[key] += NEWEST * (value - known[key]);
      }
    } else {
      this.#measured.splice(at < 0 ? this.#measured.length : at, 0, { rows, slowest, sum });
    }
    if (rows <= 8) {
      const inside = trace.reduce((n, t) => n + t.ended - t.received, 0);
      const transit = Math.max(0, tripMs - inside);
      this.#transit += (this.#transit === 0 ? 1 : NEWEST) * (transit - this.#transit);
    }
  }

  /** Milliseconds of the slowest stage for so many rows. */
  slowest(rows: number): number {
    return this.#estimate(rows, "slowest");
  }

  /** Milliseconds of all stages, one after the other. */
  sum(rows: number): number {
    return this.#estimate(rows, "sum");
  }

  /** Between two measurements a straight line; outside them as the prior goes. */
  #estimate(rows: number, what: "slowest" | "sum"): number {
    const measured = this.#measured;
    const at = measured.findIndex((m) => m.rows >= rows);
    const above = measured[at];
    const below = at < 0 ? measured.at(-1) : measured[at - 1];
    if (!above && !below) return PRIOR_MS * prior(rows) * (what === "sum" ? this.#stages : 1);
    if (!below) return above[what] * prior(rows) / prior(above.rows);
    if (!above) return below[what] * prior(rows) / prior(below.rows);
    const share = (rows - below.rows) / (above.rows - below.rows);
    return below[what] + share * (above[what] - below[what]);
  }
}

const prior = (rows: number) => 1 + PRIOR_ROW * (rows - 1);

/** Row counts that count as one: each up to 8, then four to an octave. */
const bucketOf = (rows: number) => rows <= 8 ? rows : Math.round(8 + 4 * Math.log2(rows / 8));
