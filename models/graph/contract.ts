/**
 * Names, shapes and dtypes of a stage graph's inputs and outputs: the contract between the graph
 * builder (`models/graph/`) and the engine (`runtime/engine/`).
 *
 * S = rows of the frame, T = rows visible in the arena (past + S), C = capacity of the arena, W =
 * wanted rows, H = hidden, KV = KV heads, D = cached head_dim, V = vocabulary.
 *
 *     inputs   tokens      i64 (1, S)        first stage
 *              hidden      f32 (1, S, H)     other stages
 *              positions   i64 (1, S)
 *              bias        f32 (1, 1, S, T)  0 where row s may see slot t, MASKED elsewhere
 *              window_bias f32 (1, 1, S, T)  if `StageGraph.window` is set: `bias`, and MASKED where slot t's position is
 *                                            `window` or more below row s's
 *              past_rows   i32 (1)           T - 1        (GroupQueryAttention seqlens_k)
 *              total_rows  i32 ()            T            (GroupQueryAttention total_sequence_length)
 *              want        i64 (W)           last stage: rows whose logits are wanted
 *              past_key.L, past_value.L        f32 (1, KV, C, D) for each layer L of the stage (model-wide number)
 *     outputs  next_hidden f32 (1, S, H)     all but the last stage (a graph's inputs and outputs must differ in name)
 *              logits      f32 (W, V)        last stage
 *              present_key.L, present_value.L  the same buffers as past_*: passed as preallocated fetches, written in place
 *
 * @module
 */

/**
 * Bias of a hidden slot: large enough that softmax gives exactly 0 in f32, small enough never to
 * overflow.
 */
export const MASKED: number = -1e9;

/** A stage graph, ready for an inference session. */
export interface StageGraph {
  /** `.onnx` file; its external data are blobs that lie where the graph says, beside it. */
  path: string;
  /** 0-based. */
  firstLayer: number;
  /** Inclusive. */
  lastLayer: number;
  /** Has the embedding: takes `tokens`. */
  first: boolean;
  /** Has norm and LM head: takes `want`, gives `logits`. */
  last: boolean;
  /** Bytes of the weights that the session maps; how many become private memory: `stage.ts`. */
  weightBytes: number;
  /**
   * Positions that rows see in the windowed layers of this stage, their own included; absent: it
   * has no such layers.
   */
  window?: number;
  /** Elements of a cached key or value: head_dim, rounded up to what the operator takes. */
  cacheDim: number;
  /** KV bytes of one row: layers x 2 x kv_heads x cacheDim x 4. */
  kvBytesPerRow: number;
}

/** Name of a layer's KV inputs and outputs. */
export const kvNames = (
  layer: number,
): { pastKey: string; pastValue: string; presentKey: string; presentValue: string } => ({
  pastKey: `past_key.${layer}`,
  pastValue: `past_value.${layer}`,
  presentKey: `present_key.${layer}`,
  presentValue: `present_value.${layer}`,
});
