/**
 * Drift: does what runs take as long as the profile says?
 *
 * @module
 */
import { median } from "./tables.ts";

/** A frame as a stage ran it. */
export interface ObservedFrame {
  rows: number;
  /** Rows in the arena before it. */
  past: number;
  /** Rows whose token was wanted; 0 but at the last stage. */
  wanted: number;
  /** What it took, seconds of computing. */
  seconds: number;
}

/**
 * What is known after a frame; `ratio` is observed over predicted, the median of the frames so far.
 */
export type DriftVerdict =
  | { state: "measuring"; frames: number }
  | { state: "steady"; ratio: number }
  | { state: "drifted"; ratio: number };

/** Settings of a {@linkcode DriftWatch}. */
export interface DriftOptions {
  /** Seconds that the profile predicts for a frame. */
  predict(frame: Omit<ObservedFrame, "seconds">): number;
  /** Frames that a verdict rests on. @default 50 */
  frames?: number;
  /** Median that counts as drift: 1 + this, or 1 / (1 + this). @default 0.2 */
  tolerance?: number;
}

/** Watches one stage. Each verdict rests on frames of its own: what was slow once is forgotten. */
export class DriftWatch {
  readonly #options: Required<DriftOptions>;
  #ratios: number[] = [];

  constructor(options: DriftOptions) {
    this.#options = { frames: 50, tolerance: 0.2, ...options };
  }

  /** Notes a frame. A verdict other than `measuring` comes once every `frames` frames. */
  observe({ seconds, ...frame }: ObservedFrame): DriftVerdict {
    const { predict, frames, tolerance } = this.#options;
    const predicted = predict(frame);
    if (predicted > 0 && seconds >= 0) this.#ratios.push(seconds / predicted);
    if (this.#ratios.length < frames) return { state: "measuring", frames: this.#ratios.length };
    const ratio = median(this.#ratios);
    this.#ratios = [];
    const drifted = ratio > 1 + tolerance || ratio < 1 / (1 + tolerance);
    return { state: drifted ? "drifted" : "steady", ratio };
  }
}
