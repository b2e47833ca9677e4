/**
 * What one request has cost the pipeline, counted from its first frame to its last answer: the
 * answer to `close`.
 *
 * @module
 */
import type { RequestUsage } from "./messages.ts";
import type { FrameLog } from "./usage.ts";

/** A moment of a request. */
export interface RequestMoment {
  /** The time in milliseconds, monotonic. */
  at: number;
  /** What all stages had computed together by then, for any request, milliseconds. */
  busyMs: number;
}

/** See the module's text. */
export class RequestTally {
  /** Rows of the prompt that were found in the cache. */
  reused = 0;
  /** Frames that carried a piece of the prompt. */
  pieces = 0;
  /** Frames that carried any of its rows. */
  frames = 0;
  /** Its rows that were sent. */
  sentRows = 0;
  /** Its rows that were sent and dropped, or in the end not used. */
  wasted = 0;
  /** When its first frame was sent; undefined: none was. */
  began?: RequestMoment;
  /** When its last answer came; undefined: none did. */
  #ended?: RequestMoment;
  /** Rows of these frames, those of other requests included. */
  #framesRows = 0;
  /** Its rows that every stage has run. */
  #doneRows = 0;
  /** Bytes of hidden states of these rows over the last link. */
  #hopBytes = 0;

  /** Notes that a frame of `frameRows` rows with some of its rows was sent. */
  sentIn(frameRows: number, began: RequestMoment): void {
    this.frames++;
    this.#framesRows += frameRows;
    this.began ??= began;
  }

  /**
   * Notes that every stage has run one of its rows, which took `hopBytes` bytes over the last link.
   */
  rowDone(hopBytes: number, ended: RequestMoment): void {
    this.#doneRows++;
    this.#hopBytes += hopBytes;
    this.#ended = ended;
  }

  /**
   * All of it. Bubbles are counted from when its first frame was sent to its last answer, less all
   * that the stages computed in that time, for any request. A frame counts when it comes back.
   */
  usage(log: FrameLog): RequestUsage {
    const ended = this.#ended;
    const { began } = this;
    return {
      frames: this.frames,
      rows: this.sentRows,
      wasted_rows: this.wasted,
      pieces: this.pieces,
      reused_rows: this.reused,
      bubble_share: began && ended
        ? log.idleShare(ended.busyMs - began.busyMs, ended.at - began.at)
        : 0,
      rows_per_frame: this.frames ? this.#framesRows / this.frames : 0,
      bytes_per_row_per_hop: this.#doneRows ? this.#hopBytes / this.#doneRows : 0,
    };
  }
}
