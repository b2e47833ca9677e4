/**
 * What the simulator must know of a pipeline: what a frame costs in each stage and between hosts.
 *
 * @module
 */

import type { FrameShape } from "../cost/mod.ts";

/**
 * Index of the coordinator where a stage is asked for: where requests enter and tokens return to.
 */
export const COORDINATOR = -1;

/** What is sent over one link for one frame. */
export interface Hop {
  /** What keeps the link busy. */
  bytes: number;
  /** Passes after the last byte was sent; does not keep the link busy. */
  latency_s: number;
  /** Of the link. */
  bytes_per_s: number;
}

/**
 * Costs of frames in one pipeline. Indices: stages from 0, {@linkcode COORDINATOR} for the
 * coordinator.
 */
export interface FrameCosts {
  /** Host of each stage, in order. Stages of one host take turns on it. */
  hosts: string[];
  /** Host of the coordinator. */
  coordinator: string;
  /** Seconds that a stage computes on a frame, fixed time of a frame included. */
  stageSeconds(stage: number, frame: FrameShape): number;
  /**
   * A frame of so many rows (to the coordinator: so many tokens) from one to another. Not asked
   * within one host.
   */
  hop(from: number, to: number, rows: number): Hop;
  /** The drafter; undefined: none. A drafter on a stage's host takes turns with it. */
  draft?: {
    host: string;
    /** Seconds for so many tokens, one after the other. */
    seconds(tokens: number): number;
    /** Seconds of a message between the coordinator and the drafter. */
    reach_s: number;
  };
}

/**
 * Stages of equal cost, for tests and estimates: `seconds` per frame plus `row_seconds` per row,
 * links alike.
 */
export function uniformCosts(stages: number, cost: {
  seconds: number;
  row_seconds?: number;
  hop?: { latency_s: number; bytes_per_s: number; row_bytes: number };
  draft?: FrameCosts["draft"];
}): FrameCosts {
  const hop = cost.hop ?? { latency_s: 0, bytes_per_s: Infinity, row_bytes: 0 };
  return {
    hosts: Array.from({ length: stages }, (_, i) => `host${i}`),
    coordinator: "desk",
    stageSeconds: (_stage, { rows }) => cost.seconds + rows * (cost.row_seconds ?? 0),
    hop: (_from, _to, rows) => ({
      bytes: rows * hop.row_bytes,
      latency_s: hop.latency_s,
      bytes_per_s: hop.bytes_per_s,
    }),
    ...(cost.draft && { draft: cost.draft }),
  };
}
