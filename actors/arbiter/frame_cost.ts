/**
 * How long frames take, by their number of rows: measured as they come back, and guessed before.
 *
 * @module
 */
import type { StageTrace } from "../pipeline/mod.ts";

/** Weight of the newest measurement in a running mean, 0 to 1. */
const NEWEST = 0.2;
/**
 * Cost of each further row of a frame as a share of the first, until it is measured: 8 rows were
 * seen to take 2.5 times as long as one.
 */
const PRIOR_ROW = 0.21;
/** Milliseconds of one row at one stage, until they are measured. Only ratios matter. */
const PRIOR_MS = 50;

/**
 * Milliseconds of moving one row in a layout, until they are measured: 2000 rows of 12 layers took
 * 12 ms.
 */
const PRIOR_MOVE_MS = 0.006;
/**
 * A layout that moves fewer rows is counted as if it moved this many: its time is not that of
 * moving rows.
 */
const MOVED_ROWS = 256;
/** Frames of at most this many rows travel as fast as frames of one row. */
const FEW_ROWS = 8;

/** Running means of the frames of one size. */
interface MeasuredFrames {
  /** Rows of a frame. */
  rows: number;
  /** Milliseconds of the slowest stage. */
  slowest: number;
  /** Milliseconds of all stages together. */
  sum: number;
}

/** See the module's text. */
export class FrameCost {
  readonly #stages: number;
  /** One for each bucket of row counts that was measured, ascending in rows. */
  readonly #measured: MeasuredFrames[] = [];
  /** Milliseconds that a frame of few rows spends between stages; undefined: not measured. */
  #fewTransit?: number;
  /** The same of a frame of many rows. */
  #manyTransit?: number;
  /** Milliseconds of moving one row at the slowest stage; undefined: not measured. */
  #moveRowMs?: number;

  /** @param stages Number of stages. */
  constructor(stages: number) {
    this.#stages = stages;
  }

  /**
   * Milliseconds that a frame of `rows` rows spends between stages: on links, in mailboxes and
   * being encoded, but not waiting for a busy stage. Where no frame of this size was measured,
   * those of another size; undefined: no frame was measured.
   */
  transitMs(rows: number): number | undefined {
    return rows <= FEW_ROWS
      ? this.#fewTransit ?? this.#manyTransit
      : this.#manyTransit ?? this.#fewTransit;
  }

  /**
   * Takes in that a frame came back `tripMs` milliseconds after it was handed to the first stage.
   */
  measure(rows: number, tripMs: number, trace: readonly StageTrace[]): void {
    if (trace.length === 0) return;
    const times = trace.map((t) => Math.max(0, t.ended - t.began));
    const slowest = Math.max(...times);
    const sum = times.reduce((a, b) => a + b, 0);
    const bucket = bucketOf(rows);
    const at = this.#measured.findIndex((m) => bucketOf(m.rows) >= bucket);
    const known = this.#measured[at];
    if (known && bucketOf(known.rows) === bucket) {
      for (
        const [key, value] of Object.entries({ rows, slowest, sum }) as [
          keyof MeasuredFrames,
          number,
        ][]
      ) {
        known[key] += NEWEST * (value - known[key]);
      }
    } else {
      this.#measured.splice(at < 0 ? this.#measured.length : at, 0, { rows, slowest, sum });
    }
    const inside = trace.reduce((n, t) => n + t.ended - t.received, 0);
    const transit = Math.max(0, tripMs - inside);
    const smooth = (known = transit) => known + NEWEST * (transit - known);
    if (rows <= FEW_ROWS) this.#fewTransit = smooth(this.#fewTransit);
    else this.#manyTransit = smooth(this.#manyTransit);
  }

  /** Takes in that the frame of a layout that moved `rows` rows came back. */
  measureLayout(rows: number, trace: readonly StageTrace[]): void {
    if (rows === 0 || trace.length === 0) return;
    // A layout has costs besides moving rows, and may wait for a processor: a few rows must not
    // seem to have cost all of that.
    const ms = Math.max(...trace.map((t) => t.layout_ms ?? 0)) / Math.max(rows, MOVED_ROWS);
    this.#moveRowMs = (this.#moveRowMs ?? ms) + NEWEST * (ms - (this.#moveRowMs ?? ms));
  }

  /** Milliseconds that the slowest stage takes to move one row in a layout. */
  get moveRowMs(): number {
    return this.#moveRowMs ?? PRIOR_MOVE_MS;
  }

  /** Milliseconds that the slowest stage takes for a frame of `rows` rows. */
  slowest(rows: number): number {
    return this.#estimate(rows, "slowest");
  }

  /** Milliseconds that all stages take, one after the other, for a frame of `rows` rows. */
  sum(rows: number): number {
    return this.#estimate(rows, "sum");
  }

  /**
   * A straight line between the nearest measured sizes; beyond them, the one that is nearest times
   * the ratio of the guesses.
   */
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

/** Guessed time of a frame of `rows` rows as a multiple of a frame of one row. */
const prior = (rows: number) => 1 + PRIOR_ROW * (rows - 1);

/** Bucket of a row count: one for each up to 8, then four for each doubling. */
const bucketOf = (rows: number) => rows <= 8 ? rows : Math.round(8 + 4 * Math.log2(rows / 8));
