/**
 * The attention bias of a frame: which row attends to which slot.
 *
 * @module
 */
import { MASKED } from "../../models/graph/contract.ts";
import type { NearSlots } from "./near_slots.ts";
import type { Slots } from "./slots.ts";

/** Options of {@linkcode attentionBias}. */
export interface BiasOptions {
  /** Slot of the first column: at most the least that a row of the frame attends to. @default 0 */
  first?: number;
  /** Buffer for the result if it is long enough; its contents are overwritten. */
  out?: Float32Array<ArrayBuffer>;
}

/**
 * Bias f32 (rows, base + rows - first) of the rows in slots base .. base + rows - 1: 0 where a row
 * attends to a slot (its own and its ancestors'), MASKED elsewhere.
 */
export function attentionBias(
  slots: Slots,
  base: number,
  rows: number,
  { first = 0, out }: BiasOptions = {},
): Float32Array<ArrayBuffer> {
  const total = base + rows - first;
  const size = rows * total;
  const bias = out && out.length >= size ? out.subarray(0, size) : new Float32Array(size);
  for (let row = 0; row < rows; row++) {
    const slot = base + row;
    const start = row * total;
    const parent = slots.parent(slot);
    if (parent >= base) {
      // The row attends to its parent's slots and to itself. Copying the parent's line is a memcpy,
      // faster than walking the path again; slots after a row are masked for every row.
      const from = (parent - base) * total;
      const own = slot - first;
      bias.copyWithin(start, from, from + own);
      bias[start + own] = 0;
      bias.fill(MASKED, start + own + 1, start + total);
    } else {
      bias.fill(MASKED, start, start + total);
      slots.reveal(slot, bias, start - first);
    }
  }
  return bias;
}

/**
 * Bias f32 (rows, base + rows - first) of layers with a sliding window: as {@linkcode attentionBias}, and
 * also MASKED where an ancestor's position is `window` or more below the row's. Positions fall
 * along the path to the root, so a row attends to the near end of its path.
 *
 * @param bias Bias of the same rows, with the same `first`, without a window; it is returned itself
 * if the window hides nothing.
 */
export function windowBias(
  slots: Slots,
  base: number,
  rows: number,
  { window, bias, first: start = 0, out }: BiasOptions & {
    window: number;
    bias: Float32Array<ArrayBuffer>;
  },
): Float32Array<ArrayBuffer> {
  let furthest = 0;
  for (let slot = base; slot < base + rows; slot++) {
    furthest = Math.max(furthest, slots.position(slot));
  }
  if (furthest < window) return bias;
  const total = base + rows - start;
  const size = rows * total;
  const windowed = out && out.length >= size ? out.subarray(0, size) : new Float32Array(size);
  windowed.fill(MASKED);
  for (let row = 0; row < rows; row++) {
    const nearest = slots.position(base + row) - window + 1;
    for (const { first, last } of slots.runs(base + row)) {
      if (slots.position(last) < nearest) break;
      const from = firstAtLeast(slots, first, last, nearest);
      const at = row * total - start;
      windowed.fill(0, at + from, at + last + 1);
      if (from > first) break;
    }
  }
  return windowed;
}

/**
 * Bias f32 (rows, total) of windowed layers whose rows stand in near slots: column n is near slot
 * first + n. Throws `bad_frame` where a row that is attended to has none.
 */
export function nearBias(
  slots: Slots,
  near: NearSlots,
  { base, rows, window, first, total, out }: {
    base: number;
    rows: number;
    window: number;
    first: number;
    total: number;
    out: Float32Array<ArrayBuffer>;
  },
): Float32Array<ArrayBuffer> {
  const size = rows * total;
  const bias = out.length >= size ? out.subarray(0, size) : new Float32Array(size);
  bias.fill(MASKED);
  for (let row = 0; row < rows; row++) {
    near.reveal(slots, base + row, window, bias, row * total - first);
  }
  return bias;
}

/**
 * First slot of a run whose position is at least `position`, by bisection: positions rise along a
 * run. The position of slot `last` must be at least `position`.
 */
function firstAtLeast(slots: Slots, first: number, last: number, position: number): number {
  while (first < last) {
    const middle = (first + last) >> 1;
    if (slots.position(middle) < position) first = middle + 1;
    else last = middle;
  }
  return first;
}
