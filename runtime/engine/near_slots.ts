/**
 * Which rows of an arena still stand in the buffers of windowed layers.
 *
 * A windowed layer attends to near rows alone, so its buffers may be smaller than the arena. They
 * have **near slots** of their own: a frame says in which of them its rows stand (`near_base`), and a
 * layout which rows stay (`layout.near`). A row that has none any more can be attended to by layers
 * without a window only.
 *
 * @module
 */
import type { NearLayout } from "../../actors/pipeline/mod.ts";
import { engineError } from "./errors.ts";
import { type Move, moves, type Slots } from "./slots.ts";

const NONE = -1;

/** See the module's text. */
export class NearSlots {
  /** Number of near slots. */
  readonly capacity: number;
  /** Near slot of the row in each slot of the arena, -1: none. */
  readonly #nearOf: Int32Array;
  /** Slot of the row in each near slot, -1: none. */
  readonly #slotOf: Int32Array;

  /** No row stands in any of `capacity` near slots, of an arena of `slots` slots. */
  constructor(capacity: number, slots: number) {
    if (!(Number.isInteger(capacity) && capacity > 0)) {
      throw engineError("bad_frame", `an arena cannot have ${capacity} rows for windowed layers`);
    }
    this.capacity = capacity;
    this.#nearOf = new Int32Array(slots).fill(NONE);
    this.#slotOf = new Int32Array(capacity).fill(NONE);
  }

  /** Near slot of the row in a slot of the arena, -1: none. */
  at(slot: number): number {
    return this.#nearOf[slot];
  }

  /** Checks that `rows` rows may stand in near slots from `near` on. Throws `bad_frame`. */
  check(near: number | undefined, rows: number): asserts near is number {
    if (near !== undefined && near + rows <= this.capacity) return;
    throw engineError(
      "bad_frame",
      near === undefined
        ? "the frame does not say where its rows stand in windowed layers, whose rows the arena limits"
        : `rows at near slots ${near} to ${near + rows - 1} need ${near + rows} of them, the ` +
          `windowed layers of this arena have ${this.capacity}`,
      { capacity: this.capacity },
    );
  }

  /** Notes that the rows in slots base, base + 1, ... stand in near slots near, near + 1, ... */
  write(base: number, rows: number, near: number): void {
    for (let i = 0; i < rows; i++) {
      const [slot, at] = [base + i, near + i];
      if (this.#nearOf[slot] !== NONE) this.#slotOf[this.#nearOf[slot]] = NONE;
      if (this.#slotOf[at] !== NONE) this.#nearOf[this.#slotOf[at]] = NONE;
      this.#nearOf[slot] = at;
      this.#slotOf[at] = slot;
    }
  }

  /**
   * The near slots after the rows of `keep` and `shelf` have moved within the arena, to slots 0, 1,
   * 2 ... and to the last ones of `slots` slots. Without `near` each row keeps its near slot;
   * with it, the rows that it names move to near slots 0, 1, 2 ... as `moves` say, and no other has one.
   * This object stays as it is. Throws `bad_frame` where one that it names has no near slot.
   */
  moved(
    slots: number,
    { keep, shelf, near }: { keep: Int32Array; shelf: Int32Array; near?: NearLayout },
  ): { near: NearSlots; moves: Move[] } {
    const stood = new Int32Array(slots).fill(NONE);
    keep.forEach((from, to) => stood[to] = this.#nearOf[from]);
    shelf.forEach((from, i) => stood[slots - shelf.length + i] = this.#nearOf[from]);
    const result = new NearSlots(near?.capacity ?? this.capacity, slots);
    if (!near) {
      for (const [slot, at] of stood.entries()) if (at !== NONE) result.write(slot, 1, at);
      return { near: result, moves: [] };
    }
    const from = near.keep.map((slot) => stood[slot] ?? NONE);
    const lost = from.indexOf(NONE);
    if (lost >= 0) {
      throw engineError(
        "bad_frame",
        `slot ${near.keep[lost]} is to be kept in windowed layers, where its row does not stand`,
        { slot: near.keep[lost] },
      );
    }
    if (from.length > result.capacity) {
      throw engineError(
        "bad_frame",
        `${from.length} rows are to be kept in windowed layers with room for ${result.capacity}`,
      );
    }
    near.keep.forEach((slot, at) => result.write(slot, 1, at));
    return { near: result, moves: moves(from) };
  }

  /** Lowest near slot that the rows of a frame attend to, itself or another row of it at most. */
  lowest(slots: Slots, base: number, rows: number, window: number): number {
    let lowest = this.#nearOf[base];
    for (let slot = base; slot < base + rows; slot++) {
      // Behind a parent in the frame a row attends to nothing that its parent does not attend to.
      if (slots.parent(slot) >= base) continue;
      this.#each(slots, slot, window, (near) => lowest = Math.min(lowest, near));
    }
    return lowest;
  }

  /** Sets `out[at + n]` to 0 for the near slots `n` that the row in a slot attends to. */
  reveal(slots: Slots, slot: number, window: number, out: Float32Array, at: number): void {
    this.#each(slots, slot, window, (near) => out[at + near] = 0);
  }

  /**
   * Visits the near slots of a row and of its ancestors whose positions are less than `window` below
   * its own. Throws `bad_frame` where one of them has none.
   */
  #each(slots: Slots, slot: number, window: number, visit: (near: number) => void): void {
    const furthest = slots.position(slot) - window;
    for (const { first, last } of slots.runs(slot)) {
      for (let s = last; s >= first; s--) {
        if (slots.position(s) <= furthest) return;
        if (this.#nearOf[s] === NONE) {
          throw engineError(
            "bad_frame",
            `the row in slot ${slot} attends to slot ${s}, whose row was given up in windowed layers`,
            { slot },
          );
        }
        visit(this.#nearOf[s]);
      }
    }
  }
}
