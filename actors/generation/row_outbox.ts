/**
 * What a Generation has to say to its arbiter at the end of a turn: rows by the run, and what is of
 * no use any more.
 *
 * @module
 */
import type { Message } from "../system/mod.ts";
import type { RowsMessage } from "../arbiter/mod.ts";

/** A row to run. */
export interface NewRow {
  token: number;
  /** RoPE position. */
  position: number;
  /** Number of its parent. */
  parent: number;
  /** Is the token after it wanted? */
  want: boolean;
  kind: RowsMessage["kind"];
  /** Chance that it is of use, 0 .. 1. @default 1 */
  chance?: number;
}

/** Numbers rows and gathers them until they are sent. */
export class RowOutbox {
  readonly #generation: string;
  #next: number;
  #first = 0;
  #rows: NewRow[] = [];
  #drops: number[] = [];
  #certain: number[] = [];

  /** `next` is the number of the first row: the prompt's length. */
  constructor(generation: string, next: number) {
    this.#generation = generation;
    this.#next = this.#first = next;
  }

  /** Takes a row and says its number. */
  add(row: NewRow): number {
    this.#rows.push(row);
    return this.#next++;
  }

  /** This row and its descendants are of no use any more. */
  drop(row: number): void {
    this.#drops.push(row);
  }

  /** This draft has come true, and has no result yet. */
  certain(row: number): void {
    this.#certain.push(row);
  }

  /**
   * Messages to send now, in order; the outbox is empty then. What is dropped comes first: it may
   * still be stopped.
   */
  take(): Message[] {
    const generation = this.#generation;
    const messages: Message[] = [];
    if (this.#drops.length > 0) {
      messages.push({ type: "drop", generation, rows: Int32Array.from(this.#drops) });
    }
    if (this.#certain.length > 0) {
      messages.push({
        ...rowsOf(generation, { first: this.#first, rows: [], kind: "decode" }),
        ...(this.#rows.length > 0 && { more: true }),
        certain: Int32Array.from(this.#certain),
      });
    }
    for (let at = 0; at < this.#rows.length;) {
      const { kind } = this.#rows[at];
      let end = at + 1;
      while (this.#rows[end]?.kind === kind) end++;
      const rows = this.#rows.slice(at, end);
      messages.push({
        ...rowsOf(generation, { first: this.#first + at, rows, kind }),
        ...(end < this.#rows.length && { more: true }),
        ...(kind === "draft" && { chance: Float32Array.from(rows, (row) => row.chance ?? 1) }),
      });
      at = end;
    }
    this.#first = this.#next;
    this.#rows = [];
    this.#drops = [];
    this.#certain = [];
    return messages;
  }
}

function rowsOf(
  generation: string,
  { first, rows, kind }: { first: number; rows: readonly NewRow[]; kind: RowsMessage["kind"] },
) {
  return {
    type: "rows",
    generation,
    first,
    tokens: Int32Array.from(rows, (row) => row.token),
    positions: Int32Array.from(rows, (row) => row.position),
    parents: Int32Array.from(rows, (row) => row.parent),
    want: Int32Array.from(rows.flatMap((row, i) => row.want ? [i] : [])),
    kind,
  };
}
