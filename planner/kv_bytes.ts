/**
 * The memory of a KV cache.
 *
 * @module
 */
import type { ModelShape } from "./types.ts";

/** Bytes that one row takes in the KV cache of layers `first` to `last` (inclusive). */
export function kvBytes(
  { kvBytesPerRow, kvLayerBytes }: Pick<ModelShape, "kvBytesPerRow" | "kvLayerBytes">,
  first: number,
  last: number,
): number {
  if (!kvLayerBytes) return (last - first + 1) * kvBytesPerRow;
  return kvLayerBytes.slice(first, last + 1).reduce((a, b) => a + b, 0);
}
