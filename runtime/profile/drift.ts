/**
 * Drift: finds out whether frames take as long as the profile says.
 *
 * @module
 */
import { median } from "./tables.ts";

/** A frame as a stage ran it. */
export interface ObservedFrame {
  /** Rows of the frame. */
  rows: number;
  /** Slots of the arena before the frame's first row. */
  past: number;
  /** Rows whose token was wanted; 0 at every stage but the last. */
  wanted: number;
  /** Seconds of computing. */
  seconds: number;
}

/**
 * What is known after a frame. `ratio` is the observed time over the predicted one, the median of
 * the frames that the verdict rests on; `frames` counts those so far.
 */
export type DriftVerdict =
  | { state: "measuring"; frames: number }
  | { state: "steady"; ratio: number }
  | { state: "drifted"; ratio: number };

/** Settings of a {@linkcode DriftWatch}. */
export interface DriftOptions {
  /** Returns the seconds that the profile predicts for a frame; 0: it predicts nothing. */
  predict(frame: Omit<ObservedFrame, "seconds">): number;
  /** Frames that a verdict rests on. @default 50 */
  frames?: number;
  /** A median above 1 + `tolerance` or below 1 / (1 + `tolerance`) is drift. @default 0.2 */
  tolerance?: number;
}

/** Watches the frames of one stage. Each verdict rests on new frames; older ones are forgotten. */
export class DriftWatch {
  readonly #options: Required<DriftOptions>;
  /** Observed over predicted seconds of each frame since the last verdict. */
  #ratios: number[] = [];

  constructor(options: DriftOptions) {
    this.#options = { frames: 50, tolerance: 0.2, ...options };
  }

  /**
   * Notes a frame. Every `frames`-th call returns `steady` or `drifted`, the others `measuring`.
   */
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
