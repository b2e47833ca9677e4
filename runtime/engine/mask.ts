/**
 * The attention bias of a frame: which row sees which slot.
 *
 * @module
 */
import { MASKED } from "../../models/graph/contract.ts";
import type { Slots } from "./slots.ts";

/**
 * Bias (rows, base + rows) of the rows that stand in slots base .. base + rows - 1: 0 where a row sees a slot (itself and
 * its ancestors), MASKED elsewhere.
 *
 * @param out Buffer to use if it is long enough; what it held is overwritten.
 */
export function attentionBias(slots: Slots, base: number, rows: number, out?: Float32Array): Float32Array {
  const total = base + rows;
  const size = rows * total;
  const bias = out && out.length >= size ? out.subarray(0, size) : new Float32Array(size);
  for (let row = 0; row < rows; row++) {
    const slot = base + row;
    const start = row * total;
    const parent = slots.parent(slot);
    if (parent >= base) {
      // What the parent sees, and itself. A copy is a memcpy; slots after a row are masked in every row.
      const from = (parent - base) * total;
      bias.copyWithin(start, from, from + slot);
      bias[start + slot] = 0;
      bias.fill(MASKED, start + slot + 1, start + total);
    } else {
      bias.fill(MASKED, start, start + total);
      for (const { first, last } of slots.runs(slot)) bias.fill(0, start + first, start + last + 1);
    }
  }
  return bias;
}
