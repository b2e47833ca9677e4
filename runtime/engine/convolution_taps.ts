/**
 * Which slots a convolution adds up for each row, and into which it writes.
 *
 * @module
 */
import type { Slots } from "./slots.ts";

/** Slots of rows and their ancestors, less the first one of its view. */
export interface ConvolutionTaps {
  /** Slots of each row (last) and its ancestors; its own where there is none. i32 (rows, kernel) */
  taps: Int32Array;
  /** 0 where there is no ancestor, else 1. f32 (rows, kernel) */
  seen: Float32Array<ArrayBuffer>;
}

/**
 * The taps of the rows in these slots.
 *
 * @param options.kernel Rows that are added up for each, the row itself included.
 * @param options.first Slot that is the first one of the frame's view.
 */
export function convolutionTaps(
  slots: Slots,
  rows: readonly number[],
  { kernel, first }: { kernel: number; first: number },
): ConvolutionTaps {
  const taps = new Int32Array(rows.length * kernel);
  const seen = new Float32Array(rows.length * kernel);
  for (const [row, own] of rows.entries()) {
    let slot = own;
    for (let tap = kernel - 1; tap >= 0; tap--) {
      const at = row * kernel + tap;
      taps[at] = (slot < 0 ? own : slot) - first;
      seen[at] = slot < 0 ? 0 : 1;
      if (slot >= 0) slot = slots.parent(slot);
    }
  }
  return { taps, seen };
}

/** Indices of `rows` slots from `slot` on in a buffer (1, 1, capacity, ..): [0, 0, slot] each. i32 (rows, 3) */
export function slotIndices(slot: number, rows: number): Int32Array {
  return Int32Array.from({ length: 3 * rows }, (_, i) => i % 3 === 2 ? slot + (i - 2) / 3 : 0);
}
