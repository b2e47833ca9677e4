/**
 * Frames that are under way, and which of them may be called back.
 *
 * @module
 */
import type { StageTrace } from "../pipeline/mod.ts";
import type { ArbiterRequest, PendingRow } from "./request.ts";
import type { Row } from "./row_pool.ts";
import type { FrameTrace } from "./usage.ts";

/** A row as a frame carries it. */
export interface Carried {
  row: Row;
  pending: PendingRow;
}

/** A frame under way. */
export interface Flight {
  seq: number;
  /** Slot of its first row. */
  base: number;
  carried: Carried[];
  /** Those of them whose token is wanted, in the order of the frame's `want`. */
  wanted: Carried[];
  /** When it was sent, milliseconds. */
  sent: number;
  /** It announces or forgets samplers, or has a layout: it must reach every stage. */
  bound: boolean;
  /** Rows that its layout keeps; 0 where it has none. */
  moved: number;
  /** Requests whose samplers it announces. */
  announced: ArbiterRequest[];
  /** Samplers that it tells the stages to forget. */
  forgotten: number[];
}

/** See the module's text. */
export class Flights {
  readonly #flights = new Map<number, Flight>();

  /** Frames under way. */
  get size(): number {
    return this.#flights.size;
  }

  /** Their numbers, ascending. */
  get seqs(): number[] {
    return [...this.#flights.keys()];
  }

  /** Lanes' rows under way whose answers somebody waits for, and the frames that carry them. */
  lanes(): { rows: number; frames: number } {
    let rows = 0;
    let frames = 0;
    for (const { wanted } of this.#flights.values()) {
      const lanes = wanted.filter(({ row, pending }) =>
        pending.kind !== "draft" && !row.freed
      ).length;
      rows += lanes;
      if (lanes > 0) frames++;
    }
    return { rows, frames };
  }

  /** The frame with this number. */
  get(seq: number): Flight | undefined {
    return this.#flights.get(seq);
  }

  /** A frame goes out. */
  add(flight: Flight): void {
    this.#flights.set(flight.seq, flight);
  }

  /** A frame came back, or is not waited for any more. */
  delete(seq: number): void {
    this.#flights.delete(seq);
  }

  /** Frames from this number on, ascending. */
  since(seq: number): Flight[] {
    return [...this.#flights.values()].filter((f) => f.seq >= seq).sort((a, b) => a.seq - b.seq);
  }

  /** Forgets all of them. Returns how many there were. */
  clear(): number {
    const { size } = this.#flights;
    this.#flights.clear();
    return size;
  }

  /**
   * Frames after `layoutSeq` that carry nothing of use and that no other frame needs: a row, dead
   * or not, must hang on one that was run. Rows of a frame before a layout may be named in it: they
   * must be written everywhere.
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
    // Newest first: a frame that stays keeps what it hangs on.
    for (const [seq, { carried }] of [...this.#flights].sort(([a], [b]) => b - a)) {
      if (useless.has(seq)) continue;
      for (const { row } of carried) if (row.parent) useless.delete(flightOf.get(row.parent) ?? -1);
    }
    return [...useless.keys()];
  }
}

/** What is remembered of a frame that came back at `answered`. */
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
