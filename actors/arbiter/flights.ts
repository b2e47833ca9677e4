/**
 * Frames that are under way: sent to the first stage and not answered yet.
 *
 * @module
 */
import type { StageTrace } from "../pipeline/mod.ts";
import type { HeadAnswers } from "./head_answers.ts";
import type { ArbiterRequest, PendingRow } from "./request.ts";
import type { RowMask } from "./request_masks.ts";
import type { Row } from "./row_pool.ts";
import type { FrameTrace } from "./usage.ts";

/** A row as a frame carries it. */
export interface Carried {
  /** Where it stands in the arena. */
  row: Row;
  /** What its request asked for. */
  pending: PendingRow;
}

/** A frame under way. */
export interface Flight {
  /** Number of the frame in its arena. */
  seq: number;
  /** Slot of its first row when it was sent. */
  base: number;
  /** Its rows, in order of their slots. */
  carried: Carried[];
  /** Rows whose next token is wanted, in the order of the frame's `want`. */
  wanted: Carried[];
  /** When it was sent, milliseconds. */
  sent: number;
  /** It announces or forgets samplers or masks, or has a layout: it must reach every stage. */
  bound: boolean;
  /** Rows that its layout moves to another slot; 0 where it has no layout. */
  moved: number;
  /** Requests whose samplers it announces. */
  announced: ArbiterRequest[];
  /** Ids of samplers that it tells the stages to forget. */
  forgotten: number[];
  /** Masks that it announces. */
  masks: RowMask[];
  /** Ids of masks that it tells the stages to forget. */
  forgottenMasks: number[];
  /** What shards of the LM head have said of it; undefined: nothing. */
  head?: HeadAnswers;
}

/** See the module's text. */
export class Flights {
  /** By number, in the order in which they were sent. */
  readonly #flights = new Map<number, Flight>();

  /** The frames under way, in the order in which they were sent. */
  get all(): Iterable<Flight> {
    return this.#flights.values();
  }

  /** Number of frames under way. */
  get size(): number {
    return this.#flights.size;
  }

  /** Numbers of the frames under way, ascending. */
  get seqs(): number[] {
    return [...this.#flights.keys()];
  }

  /**
   * Wanted rows under way that are no drafts and have not been dropped: each is a lane that waits.
   * Also the number of frames that carry any, and of those that carry pieces of prompts.
   */
  lanes(): { rows: number; frames: number; pieces: number } {
    let rows = 0;
    let frames = 0;
    let pieces = 0;
    for (const { carried, wanted } of this.#flights.values()) {
      // Rows of pieces come first in a frame.
      if (carried[0]?.pending.kind === "prefill") pieces++;
      const lanes = wanted.filter(({ row, pending }) => pending.lane && !row.freed).length;
      rows += lanes;
      if (lanes > 0) frames++;
    }
    return { rows, frames, pieces };
  }

  /** The frame with this number; undefined: it is not under way. */
  get(seq: number): Flight | undefined {
    return this.#flights.get(seq);
  }

  /** Adds a frame that has been sent. */
  add(flight: Flight): void {
    this.#flights.set(flight.seq, flight);
  }

  /** Removes a frame that has come back, or was called back. */
  delete(seq: number): void {
    this.#flights.delete(seq);
  }

  /** Frames with this number or a later one, ascending. */
  since(seq: number): Flight[] {
    return [...this.#flights.values()].filter((f) => f.seq >= seq).sort((a, b) => a.seq - b.seq);
  }

  /** Removes all frames. Returns how many there were. */
  clear(): number {
    const { size } = this.#flights;
    this.#flights.clear();
    return size;
  }

  /**
   * Numbers of frames that may be called back: all of their rows have been dropped, and no other
   * frame under way has a row that hangs on one of them. (A row that runs, even a dropped one, must
   * hang on one that has run.) Frames up to `layoutSeq`, the last one with a layout, stay: a layout
   * may name their rows, so every stage must have written them.
   */
  useless(layoutSeq: number): number[] {
    const useless = new Map(
      [...this.#flights].filter(([seq, { bound, carried }]) =>
        !bound && seq > layoutSeq && carried.every((c) => c.row.freed)
      ),
    );
    if (useless.size === 0) return [];
    const flightOf = new Map<Row, number>();
    for (const [seq, { carried }] of useless) for (const { row } of carried) flightOf.set(row, seq);
    // Newest first: a frame that stays keeps the earlier frames that it hangs on.
    for (const [seq, { carried }] of [...this.#flights].sort(([a], [b]) => b - a)) {
      if (useless.has(seq)) continue;
      for (const { row } of carried) if (row.parent) useless.delete(flightOf.get(row.parent) ?? -1);
    }
    return [...useless.keys()];
  }
}

/** What is remembered of a frame that came back at `answered` (milliseconds). */
export function traced(
  { seq, sent, carried }: Flight,
  answered: number,
  stages: StageTrace[],
): FrameTrace {
  const rows = { prefill: 0, decode: 0, draft: 0 };
  for (const { pending } of carried) rows[pending.kind]++;
  const requests = [...new Set(carried.map((c) => c.pending.request.generation))];
  return { seq, rows, requests, sent, answered, stages };
}
