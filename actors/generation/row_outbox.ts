/**
 * What a Generation tells its arbiter at the end of a turn: rows to run, drafts that came true, and
 * rows that are no longer needed.
 *
 * @module
 */
import type { Message } from "../system/mod.ts";
import type { RowsMessage } from "../arbiter/mod.ts";

/** A row to run. */
export interface NewRow {
  /** Token id. */
  token: number;
  /** RoPE position. */
  position: number;
  /** Number of the row that it hangs on; -1: none. */
  parent: number;
  /** The token after it is wanted. */
  want: boolean;
  /** See `rowsSchema`. */
  kind: RowsMessage["kind"];
  /** Chance that a draft comes true, 0 to 1. @default 1 */
  chance?: number;
  /** Most rows of a draft's frame where no other lane runs. @default no limit of its own */
  frame?: number;
}

/** Numbers rows and gathers them until they are sent. */
export class RowOutbox {
  readonly #generation: string;
  /** Number of the next row. */
  #next: number;
  /** Number of the first row that has not been sent. */
  #first = 0;
  /** Rows that have not been sent, in order of their numbers. */
  #rows: NewRow[] = [];
  /** Numbers of rows to drop. */
  #drops: number[] = [];
  /** Numbers of drafts that came true. */
  #certain: number[] = [];

  /**
   * @param generation Address of the Generation.
   * @param next Number of the first row: the length of the prompt that the request is opened with.
   */
  constructor(generation: string, next: number) {
    this.#generation = generation;
    this.#next = this.#first = next;
  }

  /** Adds a row to send. Returns its number. */
  add(row: NewRow): number {
    this.#rows.push(row);
    return this.#next++;
  }

  /** The row with this number and its descendants are no longer needed. */
  drop(row: number): void {
    this.#drops.push(row);
  }

  /** The draft with this number has come true, and its own result has not come yet. */
  certain(row: number): void {
    this.#certain.push(row);
  }

  /**
   * Empties the outbox. Returns the messages to send, in order: drops come first, since frames of
   * dropped rows may still be called back.
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
        ...(rows.at(-1)!.frame !== undefined && { frame_rows: rows.at(-1)!.frame }),
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

/** Message `rows`, but for its fields that may be left out. */
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
