/**
 * Figures that an arbiter gives about itself.
 *
 * @module
 */

/** Answer to the arbiter's message `stats`. Counts are since the arbiter was made. */
export interface ArbiterStats {
  /** Name of the open arena; undefined: none is open. */
  arena?: string;
  /** Requests that run. */
  requests: number;
  /** Requests that wait for memory. */
  waiting: number;
  /** Slots of the arena. */
  capacity: number;
  /** Rows for which windowed layers have room; 0: there are none, or they have all rows. */
  window_rows: number;
  /** Free slots between the last row and the shelf. */
  free_rows: number;
  /** Freed slots between rows. */
  holes: number;
  /** Rows that no request names, kept for later requests. */
  cached_rows: number;
  /** Rows on the shelf: cached ones, and those that a request has just found there. */
  shelved_rows: number;
  /** Frames that were sent and have not been answered. */
  frames_in_flight: number;
  /** Most frames of one row that may be in flight, as measured now. */
  window: number;
  /** Frames that came back. */
  frames: number;
  /** Rows of the frames that came back. */
  rows: number;
  /** Mean rows of a frame that came back. */
  rows_per_frame: number;
  /** Share of the stages' time without work while a frame was under way, 0 to 1. */
  bubble_share: number;
  /** Share of the rows that came back which were dropped after they had been sent, 0 to 1. */
  wasted_row_share: number;
  /** Rows of prompts that were found in the cache. */
  reused_rows: number;
  /** How often rows were moved together. */
  compactions: number;
  /** How often an open arena asked for more memory. */
  growths: number;
  /** Frames that were called back because all of their rows had been dropped. */
  cancelled_frames: number;
  /** How often the pipeline went on after stages or shards were lost or replaced. */
  rebuilds: number;
}
