/**
 * What an arbiter reports of its work, for metrics. Times are milliseconds.
 *
 * @module
 */
import type { CostNews, FrameTrace } from "./usage.ts";

/** A frame has come back. */
export interface FrameReport extends CostNews {
  /** Names the report. */
  readonly type: "frame";
  /** Number of its rows by kind. */
  readonly rows: FrameTrace["rows"];
  /** From sending it to its answer. */
  readonly tripMs: number;
  /** Stages that `busyMs` is of. */
  readonly stages: number;
}

/** A pipeline goes on after stages or shards were lost or replaced. */
export interface RebuildReport {
  /** Names the report. */
  readonly type: "rebuild";
  /** For how long its requests were held. */
  readonly heldMs: number;
}
