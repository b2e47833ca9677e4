/**
 * What frames have cost: bubbles, wasted rows, rows per frame, and the times of the last frames,
 * from which pictures are drawn.
 *
 * @module
 */
import type { RequestUsage } from "./messages.ts";
import type { StageTrace } from "../pipeline/mod.ts";

/** Number of frames whose times are remembered. */
const REMEMBERED = 512;

/** A frame that came back. */
export interface FrameTrace {
  /** Its number in its arena. */
  seq: number;
  /** Number of its rows by kind. */
  rows: { prefill: number; decode: number; draft: number };
  /** Addresses of the Generations whose rows it carried. */
  requests: string[];
  /** When it was handed to the first stage: milliseconds of the arbiter's clock. */
  sent: number;
  /** When its answer came: milliseconds of the arbiter's clock. */
  answered: number;
  /** When each stage and each shard of the LM head had it, in its own clock. */
  stages: StageTrace[];
}

/**
 * Milliseconds for which a frame kept a stage's or shard's device busy. Where its run shared the
 * device with others it took longer on the clock.
 */
export const busyOf = ({ began, ended, busy_ms }: StageTrace): number =>
  busy_ms ?? Math.max(0, ended - began);

/**
 * The times that a frame waited for: of the shards of the LM head, which compute side by side, only
 * the one that took longest.
 */
export function longestPath(trace: readonly StageTrace[]): StageTrace[] {
  const shards = trace.filter((t) => t.shard !== undefined);
  if (shards.length < 2) return [...trace];
  const longest = shards.reduce((a, b) => b.ended - b.began > a.ended - a.began ? b : a);
  return trace.filter((t) => t.shard === undefined || t === longest);
}

/**
 * Milliseconds for which a frame kept each device busy. A device may have a stage and a shard of the
 * LM head, whose times add up, whether they compute in turn or at once.
 *
 * @param shardStages For each shard, the index of the stage on the same device; undefined: none is
 * @return By device: `stage N` where it has a stage, else `shard N`
 */
export function deviceTimes(
  trace: readonly StageTrace[],
  shardStages: readonly (number | undefined)[],
): Map<string, number> {
  const devices = new Map<string, number>();
  for (const times of trace) {
    const { stage, shard } = times;
    const at = shard === undefined ? stage : shardStages[shard];
    const device = at === undefined ? `shard ${shard}` : `stage ${at}`;
    devices.set(device, (devices.get(device) ?? 0) + busyOf(times));
  }
  return devices;
}

/** What the frames of an arbiter have cost since its last report. */
export interface CostNews {
  /** Time in which a frame was under way. */
  readonly activeMs: number;
  /** Time for which stages computed; of the shards of the LM head the slowest one counts. */
  readonly busyMs: number;
  /** Rows that were dropped after they had been sent. */
  readonly wasted: number;
}

/** See the module's text. */
export class FrameLog {
  readonly #stages: number;
  /** The last frames that came back, oldest first. */
  readonly #last: FrameTrace[] = [];
  /** Number of frames under way. */
  #underWay = 0;
  /** Since when a frame has been under way without a pause, milliseconds. */
  #activeSince = 0;
  /** Milliseconds in which a frame was under way, before `#activeSince`. */
  #activeMs = 0;
  /** Frames that came back. */
  frames = 0;
  /** Rows of the frames that came back. */
  rows = 0;
  /** Rows that were dropped after they had been sent. */
  wasted = 0;
  /** Milliseconds that all stages computed together. */
  busyMs = 0;
  /** What had been told at the last {@linkcode FrameLog.news}. */
  #told: CostNews = { activeMs: 0, busyMs: 0, wasted: 0 };

  /** @param stages Number of stages. */
  constructor(stages: number) {
    this.#stages = stages;
  }

  /** Takes in that a frame was sent at `now` (milliseconds). */
  sent(now: number): void {
    if (this.#underWay++ === 0) this.#activeSince = now;
  }

  /** Takes in at `now` (milliseconds) that a frame will not come back. */
  lost(now: number): void {
    if (--this.#underWay === 0) this.#activeMs += now - this.#activeSince;
  }

  /** Takes in that a frame came back. */
  answered(trace: FrameTrace): void {
    this.lost(trace.answered);
    const rows = trace.rows.prefill + trace.rows.decode + trace.rows.draft;
    this.frames++;
    this.rows += rows;
    this.busyMs += longestPath(trace.stages).reduce((n, s) => n + busyOf(s), 0);
    this.#last.push(trace);
    if (this.#last.length > REMEMBERED) this.#last.shift();
  }

  /** The last frames that came back, oldest first. */
  traces(): FrameTrace[] {
    return this.#last.slice();
  }

  /** Share of the stages' time without work while a frame was under way, 0 to 1. */
  bubbleShare(now: number): number {
    return this.idleShare(this.busyMs, this.#activeAt(now));
  }

  /** What frames have cost since the last call. */
  news(now: number): CostNews {
    const before = this.#told;
    const { busyMs, wasted } = this;
    this.#told = { activeMs: this.#activeAt(now), busyMs, wasted };
    return {
      activeMs: this.#told.activeMs - before.activeMs,
      busyMs: busyMs - before.busyMs,
      wasted: wasted - before.wasted,
    };
  }

  /** Milliseconds in which a frame was under way, up to `now`. */
  #activeAt(now: number): number {
    return this.#activeMs + (this.#underWay > 0 ? now - this.#activeSince : 0);
  }

  /**
   * Share of `wallMs` milliseconds in which a stage computed nothing, where all stages computed
   * `busyMs` milliseconds together; 0 to 1.
   */
  idleShare(busyMs: number, wallMs: number): number {
    if (wallMs <= 0) return 0;
    return Math.min(1, Math.max(0, 1 - busyMs / (this.#stages * wallMs)));
  }
}

/** What a request that is not open has cost. */
export const NO_USAGE: RequestUsage = {
  frames: 0,
  rows: 0,
  wasted_rows: 0,
  pieces: 0,
  reused_rows: 0,
  bubble_share: 0,
  rows_per_frame: 0,
  bytes_per_row_per_hop: 0,
};
