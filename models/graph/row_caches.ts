/**
 * What an arena keeps of each row in a layer: keys and values of attention, or what a convolution
 * reads of the rows before a row.
 *
 * @module
 */
import { hasAttention, hasConvolution, hasRecurrence, recurrenceChannels } from "../arch/mod.ts";
import type { Geometry } from "../manifest.ts";
import {
  convolutionNames,
  kvNames,
  latentNames,
  recurrenceNames,
  type RowCache,
  type StateCache,
} from "./contract.ts";

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
  const caches: RowCache[] = [];
  if (hasRecurrence(geometry, layer)) {
    const { pastInputs: past, presentInputs: present } = recurrenceNames(layer);
    const { rule, heads: states } = geometry.recurrence!;
    const others = rule === "delta" ? 2 : 1;
    const dim = recurrenceChannels(geometry.recurrence!) + others * states;
    caches.push({ past, present, heads: 1, dim });
  }
  const latent = geometry.attention?.latent;
  if (hasAttention(geometry, layer) && latent) {
    const { pastKey: past, presentKey: present, presentValue: again } = latentNames(layer);
    const dim = cacheDim(latent.rank + geometry.rope.dims!);
    caches.push({ past, present, again, heads: 1, dim });
  } else if (hasAttention(geometry, layer)) {
    const { pastKey, pastValue, presentKey, presentValue } = kvNames(layer);
    const windowed = geometry.local?.layers.includes(layer) ?? false;
    const size = { heads: kv_heads, dim: cacheDim(head_dim), ...(windowed && { windowed }) };
    caches.push({ past: pastKey, present: presentKey, ...size });
    caches.push({ past: pastValue, present: presentValue, ...size });
  }
  return caches;
}

/** Bytes of one row in these buffers. */
export const rowBytes = (caches: readonly RowCache[]): number =>
  caches.reduce((sum, { heads, dim }) => sum + heads * dim * ELEMENT_BYTES, 0);

/** The recurrent states of a layer, in an arena of any size; none where it has no recurrence. */
export function stateCaches(geometry: Geometry, layer: number): StateCache[] {
  if (!hasRecurrence(geometry, layer)) return [];
  const { pastState: past, presentState: present } = recurrenceNames(layer);
  const { heads, state, head_dim } = geometry.recurrence!;
  return [{ past, present, dims: [heads, state, head_dim] }];
}

/** Elements of one recurrent state of a layer. */
export const stateElements = ({ dims }: StateCache): number => dims.reduce((a, b) => a * b);

/** Bytes of one recurrent state in these layers. */
export const oneStateBytes = (states: readonly StateCache[]): number =>
  ELEMENT_BYTES * states.reduce((sum, cache) => sum + stateElements(cache), 0);

/** Bytes of one row in those of these buffers that are of windowed layers. */
export const windowedRowBytes = (caches: readonly RowCache[]): number =>
  rowBytes(caches.filter(({ windowed }) => windowed));

/**
 * Positions that a row attends to in the model's windowed layers, its own included; undefined: it has no
 * such layers, or none that attends to less than its context.
 */
export function windowOf({ local, context }: Geometry): number | undefined {
  return local && local.layers.length > 0 && local.window < context ? local.window : undefined;
}
