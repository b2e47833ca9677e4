/**
 * Which slots a convolution adds up for each row of a frame.
 *
 * @module
 */
import type { Slots } from "./slots.ts";

/** Slots of a frame's rows and their ancestors, less the first one of its view. */
export interface ConvolutionTaps {
  /** Slots of each row (last) and its ancestors; its own where there is none. i32 (rows, kernel) */
  taps: Int32Array;
  /** 0 where there is no ancestor, else 1. f32 (rows, kernel) */
  seen: Float32Array<ArrayBuffer>;
}

/**
 * The taps of the rows in slots base .. base + rows - 1.
 *
 * @param options.kernel Rows that are added up for each, the row itself included.
 * @param options.first Slot that is the first one of the frame's view.
 */
export function convolutionTaps(
  slots: Slots,
  base: number,
  rows: number,
  { kernel, first }: { kernel: number; first: number },
): ConvolutionTaps {
  const taps = new Int32Array(rows * kernel);
  const seen = new Float32Array(rows * kernel);
  for (let row = 0; row < rows; row++) {
    const own = base + row;
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
