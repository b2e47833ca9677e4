/**
 * The attention bias of a frame: which row sees which slot.
 *
 * @module
 */
import { MASKED } from "../../models/graph/contract.ts";
import type { Slots } from "./slots.ts";

/**
 * Bias (rows, base + rows) of the rows that stand in slots base .. base + rows - 1: 0 where a row
 * sees a slot (itself and its ancestors), MASKED elsewhere.
 *
 * @param out Buffer to use if it is long enough; what it held is overwritten.
 */
export function attentionBias(
  slots: Slots,
  base: number,
  rows: number,
  out?: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  const total = base + rows;
  const size = rows * total;
  const bias = out && out.length >= size ? out.subarray(0, size) : new Float32Array(size);
  for (let row = 0; row < rows; row++) {
    const slot = base + row;
    const start = row * total;
    const parent = slots.parent(slot);
    if (parent >= base) {
      // What the parent sees, and itself. A copy is a memcpy; slots after a row are masked in every
      // row.
      const from = (parent - base) * total;
      bias.copyWithin(start, from, from + slot);
      bias[start + slot] = 0;
      bias.fill(MASKED, start + slot + 1, start + total);
    } else {
      bias.fill(MASKED, start, start + total);
      slots.reveal(slot, bias, start);
    }
  }
  return bias;
}

/**
 * Bias of layers with a window: as {@linkcode attentionBias}, and MASKED where an ancestor's
 * position is `window` or more below the row's. Positions fall along the path to the root, so what
 * a row sees is the near end of its path.
 *
 * @param bias Bias of the same rows; it is the result itself when the window hides nothing.
 * @param out Buffer to use if it is long enough; what it held is overwritten.
 */
export function windowBias(
  slots: Slots,
  base: number,
  rows: number,
  { window, bias, out }: {
    window: number;
    bias: Float32Array<ArrayBuffer>;
    out?: Float32Array<ArrayBuffer>;
  },
): Float32Array<ArrayBuffer> {
  let furthest = 0;
  for (let slot = base; slot < base + rows; slot++) {
    furthest = Math.max(furthest, slots.position(slot));
  }
  if (furthest < window) return bias;
  const total = base + rows;
  const size = rows * total;
  const windowed = out && out.length >= size ? out.subarray(0, size) : new Float32Array(size);
  windowed.fill(MASKED);
  for (let row = 0; row < rows; row++) {
    const nearest = slots.position(base + row) - window + 1;
    for (const { first, last } of slots.runs(base + row)) {
      if (slots.position(last) < nearest) break;
      const from = firstAtLeast(slots, first, last, nearest);
      windowed.fill(0, row * total + from, row * total + last + 1);
      if (from > first) break;
    }
  }
  return windowed;
}

/** First slot of a run whose position is not below `position`; the last one's is not. */
function firstAtLeast(slots: Slots, first: number, last: number, position: number): number {
  while (first < last) {
    const middle = (first + last) >> 1;
    if (slots.position(middle) < position) first = middle + 1;
    else last = middle;
  }
  return first;
}
