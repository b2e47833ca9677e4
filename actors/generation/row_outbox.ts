/**
 * What a Generation tells its arbiter at the end of a turn: rows to run, drafts that came true, and
 * rows that are no longer needed.
 *
 * Rows go in the order of their numbers, so that a row that waits for its mask keeps those behind it
 * here.
 *
 * @module
 */
import type { Message } from "../system/mod.ts";
import type { RowsMessage } from "../arbiter/mod.ts";
import type { AnnouncedMask } from "../pipeline/mod.ts";

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
  /**
   * Number of the mask of the tokens that may follow, -1: all may; `waits`: it is not known yet.
   * @default -1
   */
  mask?: number | "waits";
  /** The mask with this number comes by a message of its own. @default false */
  late?: boolean;
}

/** A row that has not been sent. */
interface UnsentRow extends NewRow {
  number: number;
}

/** Numbers rows and gathers them until they are sent. */
export class RowOutbox {
  readonly #generation: string;
  /** Number of the next row. */
  #next = 0;
  /** Rows that have not been sent, in order of their numbers. */
  #rows: UnsentRow[] = [];
  /** Numbers of rows to drop. */
  #drops: number[] = [];
  /** Numbers of drafts that came true. */
  #certain: number[] = [];
  /** Masks that the arbiter has not been told. */
  #masks: AnnouncedMask[] = [];
  /** Numbers of masks that no row names any more. */
  #dropMasks: number[] = [];
  /** See `prompt_mask` of `rowsSchema`. */
  #promptMask?: number;

  /** An empty outbox; `generation`: address of the Generation. */
  constructor(generation: string) {
    this.#generation = generation;
  }

  /** The request is opened with a prompt of so many rows: later rows get the numbers after these. */
  begin(rows: number): void {
    this.#next = rows;
  }

  /** Adds a row to send. Returns its number. */
  add(row: NewRow): number {
    const number = this.#next++;
    this.#rows.push({ ...row, number });
    return number;
  }

  /** The row with this number has its mask, -1: none. One that was dropped is ignored. */
  masked(number: number, mask: number): void {
    const row = this.#rows.find((r) => r.number === number);
    if (row) row.mask = mask;
  }

  /** The row with this number is sent before its mask, which will have this number. */
  late(number: number, mask: number): void {
    const row = this.#rows.find((r) => r.number === number);
    if (row) Object.assign(row, { mask, late: true });
  }

  /** Lets rows name a mask. */
  announce(mask: AnnouncedMask): void {
    this.#masks.push(mask);
  }

  /** No row will name this mask any more. */
  dropMask(id: number): void {
    this.#dropMasks.push(id);
  }

  /** The prompt's last row, which the arbiter holds, has its mask, -1: none. */
  releasePrompt(mask: number): void {
    this.#promptMask = mask;
  }

  /**
   * The row with this number and its descendants are no longer needed. `descendants`: those that were
   * sent, on which rows that wait here may hang.
   */
  drop(row: number, descendants: Iterable<number> = []): void {
    const lost = new Set([row, ...descendants]);
    const sent = this.#rows.every(({ number }) => number !== row);
    this.#rows = this.#rows.filter(({ number, parent }) => {
      if (!lost.has(number) && !lost.has(parent)) return true;
      lost.add(number);
      return false;
    });
    if (sent) this.#drops.push(row);
  }

  /** The draft with this number has come true, and its own result has not come yet. */
  certain(row: number): void {
    const unsent = this.#rows.find(({ number }) => number === row);
    if (unsent) Object.assign(unsent, { kind: "decode", chance: undefined, frame: undefined });
    else this.#certain.push(row);
  }

  /**
   * Empties the outbox, but for rows that wait for masks and those behind them. Returns the messages
   * to send, in order: drops come first, since frames of dropped rows may still be called back.
   */
  take(): Message[] {
    const generation = this.#generation;
    const messages: Message[] = [];
    if (this.#drops.length > 0) {
      messages.push({ type: "drop", generation, rows: Int32Array.from(this.#drops) });
    }
    const waits = this.#rows.findIndex(({ mask }) => mask === "waits");
    const rows = waits < 0 ? this.#rows : this.#rows.slice(0, waits);
    this.#rows = waits < 0 ? [] : this.#rows.slice(waits);
    const news = {
      ...(this.#certain.length > 0 && { certain: Int32Array.from(this.#certain) }),
      ...(this.#masks.length > 0 && { masks: this.#masks }),
      ...(this.#promptMask !== undefined && { prompt_mask: this.#promptMask }),
    };
    if (Object.keys(news).length > 0) {
      messages.push({
        ...rowsOf(generation, { first: rows[0]?.number ?? this.#next, rows: [], kind: "decode" }),
        ...(rows.length > 0 && { more: true }),
        ...news,
      });
    }
    for (let at = 0; at < rows.length;) {
      const { kind } = rows[at];
      let end = at + 1;
      while (rows[end]?.kind === kind && rows[end].number === rows[end - 1].number + 1) end++;
      const group = rows.slice(at, end);
      messages.push({
        ...rowsOf(generation, { first: rows[at].number, rows: group, kind }),
        ...(end < rows.length && { more: true }),
        ...(kind === "draft" && { chance: Float32Array.from(group, (row) => row.chance ?? 1) }),
        ...(group.at(-1)!.frame !== undefined && { frame_rows: group.at(-1)!.frame }),
        ...(group.some(({ mask = -1 }) => mask !== -1) && { want_masks: masksOf(group) }),
        ...(group.some(({ late }) => late) && {
          late_masks: group.flatMap(({ late, mask }) => late ? [Number(mask)] : []),
        }),
      });
      at = end;
    }
    // Rows that wait here may name these masks yet, and so may those that are sent now.
    const last = messages.at(-1);
    if (this.#dropMasks.length > 0 && waits < 0 && last?.type === "rows") {
      last.drop_masks = this.#dropMasks;
      this.#dropMasks = [];
    }
    this.#drops = [];
    this.#certain = [];
    this.#masks = [];
    this.#promptMask = undefined;
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

/** Numbers of the wanted rows' masks. */
function masksOf(rows: readonly NewRow[]): Int32Array<ArrayBuffer> {
  return Int32Array.from(rows.flatMap(({ want, mask = -1 }) => want ? [Number(mask)] : []));
}
