/**
 * Short ways to say rows of an arena's slots.
 *
 * @module
 */
import type { SlotRows } from "../../runtime/engine/slots.ts";

/** Rows from slot `base` on; positions are the slots if left out, tokens 100 + slot. */
export const rows = (base: number, parents: number[], positions?: number[]): SlotRows => ({
  base,
  tokens: Int32Array.from(parents, (_, i) => 100 + base + i),
  positions: Int32Array.from(positions ?? parents.map((_, i) => base + i)),
  parents: Int32Array.from(parents),
});

/** `n` rows from slot `base` on, each the parent of the next. */
export const chain = (base: number, n: number, parent = base - 1): SlotRows =>
  rows(base, Array.from({ length: n }, (_, i) => i === 0 ? parent : base + i - 1));
