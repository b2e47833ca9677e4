/**
 * Which rows stand in an arena's slots and how they hang together: a forest by parent links.
 *
 * Chains are what nearly all rows form, so each slot also knows its **run**: the stretch of
 * consecutive slots up to it in which each is the parent of the next. Walking to the root then
 * takes a step a run, not a step a row.
 *
 * @module
 */
import { OrreryError } from "../../actors/system/errors.ts";
import type { Frame } from "../../actors/pipeline/mod.ts";

const UNWRITTEN = -2;

/** A stretch of consecutive slots, both ends inclusive, each the parent of the next. */
export interface Run {
  first: number;
  last: number;
}

/** The rows of a frame, as far as slots are concerned. */
export type Rows = Pick<Frame, "base" | "tokens" | "positions" | "parents">;

/** Rows that move together: slots from .. from + rows - 1 become to .. to + rows - 1. */
export interface Move {
  from: number;
  to: number;
  rows: number;
}

/** How these slots become slots first, first + 1 ..., in runs. */
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
  readonly capacity: number;
  /** Slot of the parent, -1 for a root, UNWRITTEN. */
  readonly #parents: Int32Array;
  readonly #runFirst: Int32Array;
  readonly #tokens: Int32Array;
  readonly #positions: Int32Array;
  /** 1: the row, or an ancestor, had hidden states that are not finite. */
  readonly #damaged: Uint8Array;
  /** All slots from here on are unwritten, up to the shelf. */
  #end = 0;
  /** First slot of the shelf; `capacity`: there is none. */
  #shelf: number;

  /** @param capacity Number of slots. */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#shelf = capacity;
    this.#parents = new Int32Array(capacity).fill(UNWRITTEN);
    this.#runFirst = new Int32Array(capacity);
    this.#tokens = new Int32Array(capacity);
    this.#positions = new Int32Array(capacity);
    this.#damaged = new Uint8Array(capacity);
  }

  /**
   * May these rows be written? Throws `arena_full` or `bad_frame` (group `engine`) and changes
   * nothing.
   *
   * A parent must be written: before, or earlier in the same frame; a child's position must follow
   * its parent's.
   */
  check({ base, tokens, positions, parents }: Rows): void {
    const needed = base + tokens.length;
    if (needed > this.#shelf) {
      const shelved = this.capacity - this.#shelf;
      throw new OrreryError({
        group: "engine",
        code: "arena_full",
        message: `rows at slots ${base} to ${
          needed - 1
        } need an arena of ${needed} rows, this one holds ${this.#shelf}${
          shelved > 0 ? ` and ${shelved} on its shelf` : ""
        }`,
        metadata: { capacity: this.#shelf, needed },
      });
    }
    for (let i = 0; i < tokens.length; i++) {
      const parent = parents[i];
      const slot = base + i;
      if (parent === -1) continue;
      if (!(parent >= 0 && parent < slot)) {
        throw badRow(slot, `names parent slot ${parent}, which is not before it`);
      }
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
   * Notes the rows of a frame that {@linkcode check} let pass. Rows further up that hung on an
   * overwritten slot are forgotten; others stay.
   */
  write({ base, tokens, positions, parents }: Rows): void {
    const end = base + tokens.length;
    for (let i = 0, slot = base; slot < end; i++, slot++) {
      this.#damaged[slot] = parents[i] >= 0 ? this.#damaged[parents[i]] : 0;
      this.#parents[slot] = parents[i];
      this.#tokens[slot] = tokens[i];
      this.#positions[slot] = positions[i];
      this.#runFirst[slot] = slot > 0 && parents[i] === slot - 1 ? this.#runFirst[slot - 1] : slot;
    }
    this.#orphan(base, end);
    if (end > this.#end) this.#end = end;
    this.#shrink();
  }

  /**
   * Forgets the rows in slots base .. base + rows - 1 and all that hang on them (a frame that
   * failed half-way).
   */
  forget(base: number, rows: number): void {
    this.#parents.fill(UNWRITTEN, base, base + rows);
    this.#orphan(base, base + rows);
    this.#shrink();
  }

  /** Forgets the rows from `end` on whose path goes through slots base .. end - 1. */
  #orphan(base: number, end: number): void {
    if (base >= this.#end) return; // nothing stood there
    for (let slot = end; slot < this.#end; slot++) {
      const parent = this.#parents[slot];
      const lost = (parent >= base && parent < end) ||
        (parent >= end && this.#parents[parent] === UNWRITTEN);
      if (lost) this.#parents[slot] = UNWRITTEN;
    }
    // On the shelf a child may stand before its parent.
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

  /** Slots as a layout names them, negative ones from the end, as they are. */
  named(slots: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
    return slots.map((slot) => slot < 0 ? slot + this.capacity : slot);
  }

  /**
   * The slots of an arena of `capacity` rows in which the rows of `keep` stand at 0, 1, 2 ... and
   * those of `shelf` at the end; this one stays as it is. Throws `bad_frame` (group `engine`): they
   * do not fit, or a row or its parent would be missing.
   */
  moved(capacity: number, keep: Int32Array, shelf = new Int32Array(0)): Slots {
    const kept = keep.length + shelf.length;
    if (kept > capacity) throw badLayout(`${kept} rows are to be kept in an arena of ${capacity}`);
    const result = new Slots(capacity);
    result.#end = keep.length;
    result.#shelf = capacity - shelf.length;
    const now = new Int32Array(this.capacity).fill(-1);
    const place = (from: number, to: number) => {
      const there = from >= 0 && from < this.capacity && this.#parents[from] !== UNWRITTEN;
      if (!there) throw badLayout(`slot ${from} is to be kept, but holds no row`);
      if (now[from] >= 0) throw badLayout(`slot ${from} is to be kept twice`);
      now[from] = to;
      result.#tokens[to] = this.#tokens[from];
      result.#positions[to] = this.#positions[from];
      result.#damaged[to] = this.#damaged[from];
    };
    const hang = (from: number, to: number) => {
      const parent = this.#parents[from];
      const at = parent < 0 ? -1 : now[parent];
      if (parent >= 0 && at < 0) {
        throw badLayout(`slot ${from} is to be kept, but its parent in slot ${parent} is not`);
      }
      result.#parents[to] = at;
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
   * Notes that the hidden states of a row are not finite: it and all that hangs on it are of no
   * use.
   */
  damage(slot: number): void {
    this.#damaged[slot] = 1; // a row of this frame: nothing on the shelf hangs on it
    for (let i = slot + 1; i < this.#end; i++) {
      if (this.#parents[i] >= slot && this.#damaged[this.#parents[i]]) this.#damaged[i] = 1;
    }
  }

  /** Was {@linkcode damage} noted for this row or an ancestor? */
  isDamaged(slot: number): boolean {
    return this.#damaged[slot] === 1;
  }

  #shrink(): void {
    while (this.#end > 0 && this.#parents[this.#end - 1] === UNWRITTEN) this.#end--;
  }

  /** Slot of the parent of a written slot, -1 for a root. */
  parent(slot: number): number {
    return this.#parents[slot];
  }

  /** Position of a written slot's row. */
  position(slot: number): number {
    return this.#positions[slot];
  }

  /** Runs from this slot to its root, nearest first. */
  *runs(slot: number): Generator<Run> {
    while (slot >= 0) {
      const first = this.#runFirst[slot];
      yield { first, last: slot };
      slot = this.#parents[first];
    }
  }

  /**
   * Sets `out[at + slot]` to 0 for this slot and all its ancestors: a store a run where runs are
   * short.
   */
  reveal(slot: number, out: Float32Array, at: number): void {
    const parents = this.#parents;
    const runFirst = this.#runFirst;
    while (slot >= 0) {
      const first = runFirst[slot];
      if (slot - first < 8) { for (let i = first; i <= slot; i++) out[at + i] = 0; }
      else out.fill(0, at + first, at + slot + 1);
      slot = parents[first];
    }
  }

  /**
   * Tokens from the root to this slot, both included, and how many of them have a position below
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

function badRow(slot: number, what: string): OrreryError {
  return new OrreryError({
    group: "engine",
    code: "bad_frame",
    message: `the row for slot ${slot} ${what}`,
    metadata: { slot },
  });
}

function badLayout(message: string): OrreryError {
  return new OrreryError({ group: "engine", code: "bad_frame", message });
}
