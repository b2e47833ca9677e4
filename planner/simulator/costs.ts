/**
 * The costs of a pipeline that the simulator needs: of a frame at each stage and between hosts.
 *
 * @module
 */

import type { FrameShape } from "../cost/mod.ts";

/** Stands for the coordinator where the index of a stage is expected. */
export const COORDINATOR = -1;

/** The transfer of one frame over one link. */
export interface Hop {
  /** Bytes that occupy the link. */
  bytes: number;
  /** Seconds after the last byte was sent until it arrives; they do not occupy the link. */
  latency_s: number;
  /** Bandwidth of the link. */
  bytes_per_s: number;
  /** What it waits for and occupies, shared by several links. @default the link itself */
  channel?: string;
}

/**
 * Costs of frames in one pipeline. Stages are named by their index from 0, the coordinator by
 * {@linkcode COORDINATOR}.
 */
export interface FrameCosts {
  /** Name of each stage's host, in pipeline order. Stages on one host take turns. */
  hosts: string[];
  /** Name of the coordinator's host. */
  coordinator: string;
  /** Seconds that a frame takes at a stage, with its fixed time. */
  stageSeconds(stage: number, frame: FrameShape): number;
  /**
   * The transfer of a frame of `rows` rows (to the coordinator: of `rows` tokens). Not called for
   * transfers within one host.
   */
  hop(from: number, to: number, rows: number): Hop;
  /**
   * Shares of the LM head; undefined: the last stage has the whole head. The last stage then
   * computes no head: wanted rows go from it to all shares at once, and the frame is back when the
   * slowest one has answered.
   */
  head?: {
    /** Name of each share's host; with a stage on it, they take turns. */
    hosts: string[];
    /** Seconds of a share for so many wanted rows. */
    seconds(share: number, wanted: number): number;
    /** The transfer of wanted rows from the last stage. Not called within one host. */
    rows(share: number, wanted: number): Hop;
    /** The transfer of a share's answer to the coordinator. Not called within one host. */
    answer(share: number, wanted: number): Hop;
  };
  /** The drafter; undefined: there is none. On a stage's host it takes turns with the stage. */
  draft?: {
    /** Name of its host. */
    host: string;
    /** Seconds of drafting this many tokens one after the other. */
    seconds(tokens: number): number;
    /** Seconds of a message between coordinator and drafter, one way. */
    reach_s: number;
  };
}

/**
 * A pipeline of equal stages and links, for tests and estimates. A frame takes `seconds`, and
 * `row_seconds` for each row, at each stage.
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
