/**
 * How long frames take, by their rows: measured as they come back, with a prior until then.
 *
 * @module
 */
import type { StageTrace } from "../pipeline/mod.ts";

/** Weight of the newest measurement. */
const NEWEST = 0.2;
/**
 * What a further row costs against the first, before anything was measured: 8 rows took 2.5 times
 * as long as one.
 */
const PRIOR_ROW = 0.21;
/** Milliseconds of one row at one stage, before anything was measured. Only ratios matter. */
const PRIOR_MS = 50;

/**
 * Milliseconds of moving a row in a layout, before any was measured: 2000 rows of 12 layers took
 * 12.
 */
const PRIOR_MOVE_MS = 0.006;
/** A layout that moves fewer rows counts as one that moves so many. */
const MOVED_ROWS = 256;
/** Up to so many rows a frame travels as one row does. */
const FEW_ROWS = 8;

interface MeasuredFrames {
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
  readonly #measured: MeasuredFrames[] = [];
  /** Milliseconds between stages, of frames of few rows and of many. */
  #fewTransit?: number;
  #manyTransit?: number;
  #moveRowMs?: number;

  /** @param stages Number of stages. */
  constructor(stages: number) {
    this.#stages = stages;
  }

  /**
   * Milliseconds that a frame of so many rows spends between stages: links, mailboxes, encoding;
   * not waiting for a busy stage. Of a frame of another size where none of this was seen;
   * undefined: none was seen at all.
   */
  transitMs(rows: number): number | undefined {
    return rows <= FEW_ROWS
      ? this.#fewTransit ?? this.#manyTransit
      : this.#manyTransit ?? this.#fewTransit;
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

  /** A layout that moved so many rows was carried out. */
  measureLayout(rows: number, trace: readonly StageTrace[]): void {
    if (rows === 0 || trace.length === 0) return;
    // What a layout takes besides moving, or waits for its processor, is no cost of a row.
    const ms = Math.max(...trace.map((t) => t.layout_ms ?? 0)) / Math.max(rows, MOVED_ROWS);
    this.#moveRowMs = (this.#moveRowMs ?? ms) + NEWEST * (ms - (this.#moveRowMs ?? ms));
  }

  /** Milliseconds of the slowest stage for moving a row in a layout. */
  get moveRowMs(): number {
    return this.#moveRowMs ?? PRIOR_MOVE_MS;
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
