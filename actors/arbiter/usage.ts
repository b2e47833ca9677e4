/**
 * What frames have cost: bubbles, wasted rows, rows per frame, and the last frames' times for a
 * picture.
 *
 * @module
 */
import type { RequestUsage } from "./messages.ts";
import type { StageTrace } from "../pipeline/mod.ts";

/** Frames that are remembered one by one. */
const REMEMBERED = 512;

/** A frame that came back. */
export interface FrameTrace {
  /** Its number in its arena. */
  seq: number;
  /** Rows by kind. */
  rows: { prefill: number; decode: number; draft: number };
  /** Keys of the requests whose rows it carried. */
  requests: string[];
  /** Arbiter's clock, milliseconds: handed to the first stage. */
  sent: number;
  /** Arbiter's clock, milliseconds: the answer was here. */
  answered: number;
  /** Each in its own stage's clock. */
  stages: StageTrace[];
}

/** See the module's text. */
export class FrameLog {
  readonly #stages: number;
  readonly #last: FrameTrace[] = [];
  #underWay = 0;
  #activeSince = 0;
  #activeMs = 0;
  /** Frames that came back. */
  frames = 0;
  /** Rows in them. */
  rows = 0;
  /** Rows that were dropped after they had been sent. */
  wasted = 0;
  /** Milliseconds that stages computed, all together. */
  busyMs = 0;

  /** @param stages Number of stages. */
  constructor(stages: number) {
    this.#stages = stages;
  }

  /** A frame goes out. */
  sent(now: number): void {
    if (this.#underWay++ === 0) this.#activeSince = now;
  }

  /** A frame will not come back. */
  lost(now: number): void {
    if (--this.#underWay === 0) this.#activeMs += now - this.#activeSince;
  }

  /** A frame came back. */
  answered(trace: FrameTrace): void {
    this.lost(trace.answered);
    const rows = trace.rows.prefill + trace.rows.decode + trace.rows.draft;
    this.frames++;
    this.rows += rows;
    this.busyMs += trace.stages.reduce((n, s) => n + s.ended - s.began, 0);
    this.#last.push(trace);
    if (this.#last.length > REMEMBERED) this.#last.shift();
  }

  /** The last frames, oldest first. */
  traces(): FrameTrace[] {
    return this.#last.slice();
  }

  /** Share of stage time in which nothing was computed, while anything was under way, 0 .. 1. */
  bubbleShare(now: number): number {
    const active = this.#activeMs + (this.#underWay > 0 ? now - this.#activeSince : 0);
    return this.idleShare(this.busyMs, active);
  }

  /**
   * Share of `wallMs` in which a stage computed nothing, when all of them computed `busyMs`
   * together.
   */
  idleShare(busyMs: number, wallMs: number): number {
    if (wallMs <= 0) return 0;
    return Math.min(1, Math.max(0, 1 - busyMs / (this.#stages * wallMs)));
  }
}

/** What a request that nobody knows has cost. */
export const NO_USAGE: RequestUsage = {
  ...{ frames: 0, rows: 0, wasted_rows: 0, pieces: 0, reused_rows: 0 },
  ...{ bubble_share: 0, rows_per_frame: 0, bytes_per_row_per_hop: 0 },
};
