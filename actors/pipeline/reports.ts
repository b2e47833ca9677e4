/**
 * What the actors of a pipeline report of their work, for metrics. Times are milliseconds.
 *
 * @module
 */

/** A stage or a shard of the LM head has run a frame. */
export interface StageReport {
  /** Names the report. */
  readonly type: "stage";
  /** Index of the stage, or of the shard where `what` says so. */
  readonly index: number;
  /** What ran the frame. */
  readonly what: "stage" | "head";
  /** Rows that it has run. */
  readonly rows: number;
  /** Time of the device. */
  readonly busyMs: number;
  /** For how long the frame waited in the mailbox. */
  readonly waitMs: number;
}

/** A drafter has answered a question. */
export interface DraftReport {
  /** Names the report. */
  readonly type: "draft";
  /** Tokens that it has drafted; 0: the question was stale. */
  readonly tokens: number;
  /** Time of the engine. */
  readonly computeMs: number;
}
