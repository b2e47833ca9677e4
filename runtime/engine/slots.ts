/**
 * Which rows stand in an arena's slots and how they hang together: a forest by parent links.
 *
 * Nearly all rows form chains, so each slot also knows its **run**: the stretch of consecutive
 * slots that ends at it and in which each slot is the parent of the next. A walk to the root then
 * takes one step per run instead of one step per row.
 *
 * @module
 */
import { type FrameRows, rowProblems } from "../../actors/pipeline/mod.ts";
import { engineError, refuse } from "./errors.ts";

/** Value of a slot's parent while no row stands in the slot. */
const UNWRITTEN = -2;
/** Runs shorter than this are revealed by a loop, which is faster there than `fill()`. Slots. */
const SHORT_RUN = 8;

/** A stretch of consecutive slots in which each is the parent of the next. */
export interface SlotRun {
  /** Lowest slot: the end nearer to the root. */
  first: number;
  /** Highest slot, inclusive. */
  last: number;
}

/** The part of a frame that is written to slots. */
export type SlotRows = Pick<FrameRows, "base" | "tokens" | "positions" | "parents">;

/** Rows that move together: slots from .. from + rows - 1 become slots to .. to + rows - 1. */
export interface Move {
  /** First slot before the move. */
  from: number;
  /** First slot after the move. */
  to: number;
  /** Number of rows that move. */
  rows: number;
}

/**
 * The moves that bring the rows of these slots to slots first, first + 1, ...; consecutive slots
 * move together.
 */
export function moves(slots: Int32Array, first = 0): Move[] {
  const found: Move[] = [];
  for (let at = 0; at < slots.length;) {
    let end = at + 1;
    while (end < slots.length && slots[end] === slots[end - 1] + 1) end++;
    found.push({ from: slots[at], to: first + at, rows: end - at });
    at = end;
  }
  return found;
}

/** The slots of one arena. */
export class Slots {
  /** Number of slots, those of the shelf included. */
  readonly capacity: number;
  /** Slot of the parent of each slot's row; -1: the row is a root; UNWRITTEN: there is no row. */
  readonly #parents: Int32Array;
  /** First slot of the run that ends at each slot. */
  readonly #runFirst: Int32Array;
  /** Lowest slot on the path from each slot to its root, or a lower one. */
  readonly #lowest: Int32Array;
  /** Token id of each slot's row. */
  readonly #tokens: Int32Array;
  /** Position of each slot's row. */
  readonly #positions: Int32Array;
  /**
   * 1 for a slot whose row, or an ancestor of it, had hidden states that are not finite; else 0.
   */
  readonly #damaged: Uint8Array;
  /** Slots from this one up to the shelf are all unwritten. */
  #end = 0;
  /** First slot of the shelf; `capacity` while the shelf is empty. */
  #shelf: number;

  /** @param capacity Number of slots. */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#shelf = capacity;
    this.#parents = new Int32Array(capacity).fill(UNWRITTEN);
    this.#runFirst = new Int32Array(capacity);
    this.#lowest = new Int32Array(capacity);
    this.#tokens = new Int32Array(capacity);
    this.#positions = new Int32Array(capacity);
    this.#damaged = new Uint8Array(capacity);
  }

  /**
   * Checks that these rows may be written, and changes nothing. A parent must have been written
   * before, or come earlier in the same frame; a row's position must be larger than its parent's.
   *
   * Throws group `engine`: `arena_full` (metadata: `capacity` and `needed`, slots below the shelf)
   * or `bad_frame` (metadata: `slot`).
   */
  check(rows: SlotRows): void {
    const { base, tokens, positions, parents } = rows;
    const needed = base + tokens.length;
    if (needed > this.#shelf) {
      const shelved = this.capacity - this.#shelf;
      throw engineError(
        "arena_full",
        `rows at slots ${base} to ${needed - 1} need an arena of ${needed} rows, this one holds ` +
          `${this.#shelf}${shelved > 0 ? ` and ${shelved} on its shelf` : ""}`,
        { capacity: this.#shelf, needed },
      );
    }
    refuse(rowProblems(rows));
    for (let i = 0; i < tokens.length; i++) {
      const parent = parents[i];
      if (parent < 0) continue;
      const slot = base + i;
      const own = parent >= base;
      if (!own && this.#parents[parent] === UNWRITTEN) {
        throw badRow(slot, `names parent slot ${parent}, which holds no row`);
      }
      const position = own ? positions[parent - base] : this.#positions[parent];
      if (positions[i] <= position) {
        throw badRow(
          slot,
          `has position ${positions[i]}, its parent in slot ${parent} has ${position}`,
        );
      }
    }
  }

  /**
   * Notes the rows of a frame that {@linkcode Slots.check} let pass. Rows in later slots that hung
   * on an overwritten slot are forgotten; other rows stay.
   */
  write({ base, tokens, positions, parents }: SlotRows): void {
    const end = base + tokens.length;
    for (let i = 0, slot = base; slot < end; i++, slot++) {
      this.#damaged[slot] = parents[i] >= 0 ? this.#damaged[parents[i]] : 0;
      this.#parents[slot] = parents[i];
      this.#tokens[slot] = tokens[i];
      this.#positions[slot] = positions[i];
      this.#lowest[slot] = parents[i] >= 0 ? Math.min(slot, this.#lowest[parents[i]]) : slot;
      this.#runFirst[slot] = slot > 0 && parents[i] === slot - 1 ? this.#runFirst[slot - 1] : slot;
    }
    this.#orphan(base, end);
    if (end > this.#end) this.#end = end;
    this.#shrink();
  }

  /**
   * Forgets the rows in slots base .. base + rows - 1 and every row that hangs on them. Called for
   * a frame that failed half-way.
   */
  forget(base: number, rows: number): void {
    this.#parents.fill(UNWRITTEN, base, base + rows);
    this.#orphan(base, base + rows);
    this.#shrink();
  }

  /** Forgets the rows in slots from `end` on whose path leads through slots base .. end - 1. */
  #orphan(base: number, end: number): void {
    if (base >= this.#end) return; // these slots were unwritten: no row hangs on them
    for (let slot = end; slot < this.#end; slot++) {
      const parent = this.#parents[slot];
      const lost = (parent >= base && parent < end) ||
        (parent >= end && this.#parents[parent] === UNWRITTEN);
      if (lost) this.#parents[slot] = UNWRITTEN;
    }
    // On the shelf a child may stand before its parent, so the walk repeats until nothing changes.
    for (let again = this.#shelf < this.capacity; again;) {
      again = false;
      for (let slot = this.#shelf; slot < this.capacity; slot++) {
        const parent = this.#parents[slot];
        if (parent < 0) continue;
        if ((parent >= base && parent < end) || this.#parents[parent] === UNWRITTEN) {
          this.#parents[slot] = UNWRITTEN;
          again = true;
        }
      }
    }
  }

  /** The slots that a layout names: a negative number counts from the end, -1 is the last slot. */
  named(slots: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
    return slots.map((slot) => slot < 0 ? slot + this.capacity : slot);
  }

  /**
   * The slots of an arena of `capacity` rows in which the rows of `keep` stand at 0, 1, 2 ... and
   * the rows of `shelf` at the end. This object stays as it is.
   *
   * Throws `bad_frame` (group `engine`) where the rows do not fit, a slot is named twice or holds
   * no row, or a row's parent is not kept.
   */
  moved(capacity: number, keep: Int32Array, shelf = new Int32Array(0)): Slots {
    const kept = keep.length + shelf.length;
    if (kept > capacity) {
      throw engineError("bad_frame", `${kept} rows are to be kept in an arena of ${capacity}`);
    }
    const result = new Slots(capacity);
    result.#end = keep.length;
    result.#shelf = capacity - shelf.length;
    /** New slot of each old slot; -1: its row is not kept. */
    const now = new Int32Array(this.capacity).fill(-1);
    const place = (from: number, to: number) => {
      const there = from >= 0 && from < this.capacity && this.#parents[from] !== UNWRITTEN;
      if (!there) {
        throw engineError("bad_frame", `slot ${from} is to be kept, but holds no row`);
      }
      if (now[from] >= 0) throw engineError("bad_frame", `slot ${from} is to be kept twice`);
      now[from] = to;
      result.#tokens[to] = this.#tokens[from];
      result.#positions[to] = this.#positions[from];
      result.#damaged[to] = this.#damaged[from];
    };
    const hang = (from: number, to: number) => {
      const parent = this.#parents[from];
      const at = parent < 0 ? -1 : now[parent];
      if (parent >= 0 && at < 0) {
        throw engineError(
          "bad_frame",
          `slot ${from} is to be kept, but its parent in slot ${parent} is not`,
        );
      }
      result.#parents[to] = at;
      // The parent of a row on the shelf may stand behind it: then the path is not known yet.
      result.#lowest[to] = at < 0 ? to : at < to ? Math.min(to, result.#lowest[at]) : 0;
      result.#runFirst[to] = at >= 0 && at === to - 1 ? result.#runFirst[at] : to;
    };
    for (let to = 0; to < keep.length; to++) {
      place(keep[to], to);
      hang(keep[to], to);
    }
    for (let i = 0; i < shelf.length; i++) place(shelf[i], result.#shelf + i);
    for (let i = 0; i < shelf.length; i++) hang(shelf[i], result.#shelf + i);
    return result;
  }

  /**
   * Notes that the hidden states of a row of the frame just written are not finite: the row and
   * every row that hangs on it cannot be used any more.
   */
  damage(slot: number): void {
    this.#damaged[slot] = 1;
    // Nothing on the shelf hangs on a row that was just written.
    for (let i = slot + 1; i < this.#end; i++) {
      if (this.#parents[i] >= slot && this.#damaged[this.#parents[i]]) this.#damaged[i] = 1;
    }
  }

  /** Was {@linkcode Slots.damage} called for this row or an ancestor of it? */
  isDamaged(slot: number): boolean {
    return this.#damaged[slot] === 1;
  }

  /** Lowers `#end` past the unwritten slots below it. */
  #shrink(): void {
    while (this.#end > 0 && this.#parents[this.#end - 1] === UNWRITTEN) this.#end--;
  }

  /** Whether a row stands in the slot. */
  holds(slot: number): boolean {
    return this.#parents[slot] !== UNWRITTEN;
  }

  /** Slot of the parent of a written slot, -1 for a root. */
  parent(slot: number): number {
    return this.#parents[slot];
  }

  /** Position of the row in a written slot. */
  position(slot: number): number {
    return this.#positions[slot];
  }

  /**
   * Lowest slot that the rows in slots base .. base + rows - 1 attend to, or a lower one; `rows` is
   * at least 1.
   */
  lowest(base: number, rows: number): number {
    let lowest = base;
    for (let slot = base; slot < base + rows; slot++) {
      if (this.#lowest[slot] < lowest) lowest = this.#lowest[slot];
    }
    return lowest;
  }

  /** The runs from this slot to its root, nearest first. */
  *runs(slot: number): Generator<SlotRun> {
    while (slot >= 0) {
      const first = this.#runFirst[slot];
      yield { first, last: slot };
      slot = this.#parents[first];
    }
  }

  /** Sets `out[at + s]` to 0 for this slot `s` and all its ancestors. */
  reveal(slot: number, out: Float32Array, at: number): void {
    const parents = this.#parents;
    const runFirst = this.#runFirst;
    while (slot >= 0) {
      const first = runFirst[slot];
      if (slot - first < SHORT_RUN) { for (let i = first; i <= slot; i++) out[at + i] = 0; }
      else out.fill(0, at + first, at + slot + 1);
      slot = parents[first];
    }
  }

  /**
   * Token ids from the root to this slot, both included, and how many of them have a position below
   * `promptRows`.
   */
  path(slot: number, promptRows: number): { tokens: Int32Array; promptRows: number } {
    const runs = [...this.runs(slot)].reverse();
    const tokens = new Int32Array(runs.reduce((n, run) => n + run.last - run.first + 1, 0));
    let n = 0;
    let prompt = 0;
    for (const { first, last } of runs) {
      for (let s = first; s <= last; s++) {
        tokens[n++] = this.#tokens[s];
        if (this.#positions[s] < promptRows) prompt++;
      }
    }
    return { tokens, promptRows: prompt };
  }
}

function badRow(slot: number, what: string) {
  return engineError("bad_frame", `the row for slot ${slot} ${what}`, { slot });
}
