/**
 * What an arena keeps of each row in a layer: keys and values of attention, or what a convolution
 * reads of the rows before a row.
 *
 * @module
 */
import { hasConvolution } from "../arch/mod.ts";
import type { Geometry } from "../manifest.ts";
import { convolutionNames, kvNames, type RowCache } from "./contract.ts";

/** GroupQueryAttention takes head sizes, in elements, that are multiples of this. */
const HEAD_STEP = 8;

/** Bytes of one element (f32). */
const ELEMENT_BYTES = 4;

/** Elements of a cached key or value of one head. */
export const cacheDim = (headDim: number): number => Math.ceil(headDim / HEAD_STEP) * HEAD_STEP;

/** The buffers of a layer; `layer` is its number in the whole model, 0-based. */
export function rowCaches(geometry: Geometry, layer: number): RowCache[] {
  const { kv_heads, head_dim, hidden } = geometry;
  if (hasConvolution(geometry, layer)) {
    return [{ ...convolutionNames(layer), heads: 1, dim: hidden }];
  }
  const { pastKey, pastValue, presentKey, presentValue } = kvNames(layer);
  const size = { heads: kv_heads, dim: cacheDim(head_dim) };
  return [
    { past: pastKey, present: presentKey, ...size },
    { past: pastValue, present: presentValue, ...size },
  ];
}

/** Bytes of one row in these buffers. */
export const rowBytes = (caches: readonly RowCache[]): number =>
  caches.reduce((sum, { heads, dim }) => sum + heads * dim * ELEMENT_BYTES, 0);
