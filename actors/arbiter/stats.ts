/**
 * What an arbiter tells about itself.
 *
 * @module
 */

/** Counters of an arbiter. */
export interface ArbiterStats {
  /** Name of the open arena, if there is one. */
  arena?: string;
  /** Requests that run. */
  requests: number;
  /** Requests that wait for rows. */
  waiting: number;
  /** Rows of the arena. */
  capacity: number;
  /** Rows above the last one in use. */
  free_rows: number;
  /** Freed rows in between. */
  holes: number;
  /** Rows that no request names, kept for later ones. */
  cached_rows: number;
  /** Those of them (and rows just called back) that stand where no frame meets them. */
  shelved_rows: number;
  /** Frames that were sent and not answered yet. */
  frames_in_flight: number;
  /** Most frames of a single row that may be in flight, as of now. */
  window: number;
  /** Frames that came back, since the arbiter was made. */
  frames: number;
  /** Rows in them. */
  rows: number;
  /** Rows in a frame in the mean. */
  rows_per_frame: number;
  /** Share of stage time without work while a frame was under way, 0 .. 1. */
  bubble_share: number;
  /** Share of rows that were dropped after they had been sent, 0 .. 1. */
  wasted_row_share: number;
  /** Prompt rows that did not have to be computed. */
  reused_rows: number;
  /** Times that rows were moved together. */
  compactions: number;
  /** Times that an open arena asked for more memory. */
  growths: number;
  /** Frames that were called back because nobody wanted them any more. */
  cancelled_frames: number;
}
