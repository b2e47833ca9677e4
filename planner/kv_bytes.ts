/**
 * The memory of a KV cache.
 *
 * @module
 */
import { stateCount, windowedRows } from "../actors/mod.ts";
import type { ModelShape, Workload } from "./types.ts";

/** Rows of KV cache for which there is memory. */
export interface KvRows {
  /** Rows of layers without a window. */
  rows: number;
  /** Rows of windowed layers, which keep those of their window. */
  windowed: number;
}

/** Rows of KV cache that a workload needs: its `kvRows`, or all rows of all its requests. */
export function kvRowsOf(
  { kvRows, concurrent, promptTokens, outputTokens, branches }: Workload,
): number {
  return kvRows ?? concurrent * (promptTokens + outputTokens * branches);
}

/** The same, with what windowed layers keep of them. Requests with branches keep all rows there too. */
export function kvNeedOf(
  workload: Workload,
  { windowed }: Pick<ModelShape, "windowed">,
): KvRows {
  const rows = kvRowsOf(workload);
  const { branches, concurrent: sequences } = workload;
  if (!windowed || branches > 1) return allRows(rows);
  return { rows, windowed: windowedRows(windowed.window, { rows, sequences }) };
}

/** All layers keep all of so many rows. */
export const allRows = (rows: number): KvRows => ({ rows, windowed: rows });

/** Bytes of the KV cache of layers `first` to `last` (inclusive), with their recurrent states. */
export function kvBytes(
  { kvBytesPerRow, kvLayerBytes, windowed, states }: Pick<
    ModelShape,
    "kvBytesPerRow" | "kvLayerBytes" | "windowed" | "states"
  >,
  { first, last }: { first: number; last: number },
  need: KvRows,
): number {
  let bytes = 0;
  for (let layer = first; layer <= last; layer++) {
    const rows = windowed?.layers.includes(layer) ? need.windowed : need.rows;
    bytes += (kvLayerBytes?.[layer] ?? kvBytesPerRow) * rows;
    if (states) bytes += states.layerBytes[layer] * stateCount(rows, states);
  }
  return bytes;
}
