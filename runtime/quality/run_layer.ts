/**
 * Runs one layer of a model that was taken apart over all texts.
 *
 * @module
 */
import { buildStageGraph, type Gram, type GraphModel } from "../../models/mod.ts";
import { TextLayer, type TextRows, usualThreads } from "../engine/mod.ts";

/** How a layer is run. */
export interface RunLayerOptions {
  /** Folder of the blobs. */
  blobDir: string;
  /** See `StageGraphOptions`. @default 4 */
  accuracyLevel?: 1 | 4;
  /** See `StageGraphOptions`. @default none are given */
  gramWindow?: number;
  /** See `StageGraphOptions`. @default false */
  roundedCache?: boolean;
  signal?: AbortSignal;
}

/** What a layer gives. */
export interface LayerRun {
  /** The rows after the layer, f32 (rows, hidden); normed rows after the model's last layer. */
  texts: TextRows[];
  /** If they were asked for: Gram matrices over all texts. */
  grams: Gram[];
}

/** Runs layer `layer`, whose group `model` must have, over texts. */
export async function runLayer(
  model: GraphModel,
  layer: number,
  texts: readonly TextRows[],
  { signal, ...options }: RunLayerOptions,
): Promise<LayerRun> {
  const range = { firstLayer: layer, lastLayer: layer, head: false };
  const graph = await buildStageGraph(model, { ...range, ...options });
  const { geometry } = model;
  const threads = usualThreads(graph.weightBytes);
  const sums = new Map<string, Float32Array>();
  const after: TextRows[] = [];
  {
    using session = await TextLayer.open(graph, { geometry, threads });
    for (const text of texts) {
      signal?.throwIfAborted();
      after.push({ hidden: await session.run(text, sums) });
    }
  }
  await Deno.remove(graph.path);
  const rows = after.reduce((sum, text) => sum + rowsOf(text, geometry.hidden), 0);
  const grams = (graph.grams ?? []).map(({ keys, expert, windows }): Gram => ({
    keys,
    ...(expert && { expert: expert.number }),
    rows: expert ? sums.get(expert.rows)![0] : rows,
    windows: windows.map(({ name, first, size }) => ({ first, size, values: sums.get(name)! })),
  }));
  return { texts: after, grams };
}

const rowsOf = (text: TextRows, hidden: number): number =>
  "tokens" in text ? text.tokens.length : text.hidden.length / hidden;
