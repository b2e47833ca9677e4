/**
 * The facts about a model that `deno task models show` and `list` print.
 *
 * @module
 */
import { groupsOf, headBytes, type Manifest, windowOf } from "../../models/mod.ts";
import { contextKvBytes, meanKvBytes } from "../cluster/mod.ts";

/** The JSON fields of `models show NAME --json`. Sizes are in bytes, `context` is in rows. */
export interface ModelFacts {
  architecture: string;
  layers: number;
  hidden: number;
  heads: number;
  kv_heads: number;
  head_dim: number;
  vocab: number;
  context: number;
  precision: string;
  /** Whether its projections in q4 make up for each other's errors. */
  calibrated: boolean;
  /** Number of weights; an embedding that the head shares counts once. */
  parameters: number;
  /** Stored bytes of the largest layer: an upper bound for any layer. */
  bytes_per_layer: number;
  embedding_bytes: number;
  head_bytes: number;
  /** Bytes that the engine allocates for one row in one layer; of layers that differ, the mean. */
  kv_bytes_per_token_per_layer: number;
  /** Bytes of the KV cache of one request as long as the context. */
  kv_bytes_at_context: number;
  /** Positions that a row attends to in windowed layers, and the number of these; left out: none. */
  window?: number;
  windowed_layers?: number;
}

/** The facts of the model with this manifest. */
export function facts(manifest: Manifest): ModelFacts {
  const { geometry, precision, embedding, layers } = manifest;
  const window = windowOf(geometry);
  let parameters = 0;
  for (const { tensors } of groupsOf(manifest)) {
    for (const [key, { shape }] of Object.entries(tensors)) {
      if (key === "lm_head" && geometry.tied_embeddings) continue;
      parameters += shape.reduce((a, b) => a * b, 1);
    }
  }
  return {
    architecture: geometry.architecture,
    layers: geometry.layers,
    hidden: geometry.hidden,
    heads: geometry.heads,
    kv_heads: geometry.kv_heads,
    head_dim: geometry.head_dim,
    vocab: geometry.vocab,
    context: geometry.context,
    precision,
    calibrated: manifest.calibrated ?? false,
    parameters,
    bytes_per_layer: Math.max(0, ...layers.map(({ bytes }) => bytes)),
    embedding_bytes: embedding.bytes,
    head_bytes: headBytes(manifest),
    kv_bytes_per_token_per_layer: Math.round(meanKvBytes(geometry)),
    kv_bytes_at_context: contextKvBytes(manifest),
    ...(window !== undefined && { window, windowed_layers: geometry.local!.layers.length }),
  };
}

/** Stored bytes of all weights of a model. */
export function modelBytes(manifest: Manifest): number {
  return groupsOf(manifest).reduce((sum, { bytes }) => sum + bytes, 0);
}
