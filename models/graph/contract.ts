/**
 * Names, shapes and dtypes of a stage graph's inputs and outputs: the contract between the graph
 * builder (`models/graph/`) and the engine (`runtime/engine/`).
 *
 * S = rows of the frame, L = wanted rows that have logits, T = rows visible in the arena (past + S), C = capacity of the arena in
 * rows, W = wanted rows, H = hidden, KV = KV heads, D = cached head_dim, V = vocabulary.
 *
 *     inputs   tokens       i64 (1, S)        first stage
 *              hidden       f32 (1, S, H)     other stages
 *              positions    i64 (1, S)
 *              bias         f32 (1, 1, S, T)  0 where row s may see slot t, else MASKED
 *              past_rows    i32 (1)           T - 1  (GroupQueryAttention seqlens_k)
 *              total_rows   i32 ()            T      (its total_sequence_length)
 *              want         i64 (W)           last stage: rows after which something is wanted
 *              scored       i64 (L)           last stage with the LM head: which of these have logits
 *              past_key.L, past_value.L
 *                           f32 (1, KV, C, D) for each layer L of the stage (model-wide number)
 *                           that has attention
 *              past_latent.L
 *                           f32 (1, 1, C, D) in their place for each layer with latent attention:
 *                           what keys and values of all heads come of, D numbers in all
 *     of a stage with windowed layers, if `StageGraph.window` is set; U = rows visible in their buffers
 *     (past + S), which have slots of their own:
 *              window_bias  f32 (1, 1, S, U)  as `bias`, and MASKED where the position of slot u's
 *                                             row is `window` or more below row s's
 *              window_past_rows, window_total_rows
 *                                             as past_rows and total_rows: U - 1 and U
 *     of a stage with convolutions of K rows, if `StageGraph.kernel` is set:
 *              past_conv.L  f32 (1, 1, C, H) for each layer L that has a convolution
 *              conv_slots   i64 (1, 1, S, 3)  [0, 0, slot of row s]
 *              conv_taps    i64 (S, K)        slots of row s (last) and of its K - 1 ancestors; its
 *                                             own slot where there is no ancestor
 *              conv_seen    f32 (S, K, 1)     0 where there is none, else 1
 *     of a stage with recurrent states, if `StageGraph.recurrence` is set; frames run as segments, each
 *     from a row after one whose state is known to a row without a child. They are in two groups G,
 *     `short` and `long`, of N segments of at most M rows; R rows are in any of them:
 *              past_inputs.L f32 (1, 1, C, F)  for each layer L with a state: what rows bring to it
 *              past_state.L f32 (P, heads, state, head_dim)  P known states; number 0 is zeros
 *              state_slots  i64 (1, 1, S, 3)  [0, 0, slot of row s]
 *              state_taps   i64 (R, K)        slots of each row of segments (last) and of its K - 1
 *                                             ancestors; any slot where there is none
 *              state_seen   f32 (R, K, 1)     0 where there is none, else 1
 *              state_own    i64 (S)           where row s is among the R
 *              state_steps.G i64 (N, M)       rows of each segment, among the R
 *              state_live.G f32 (N, M, 1)     0 beyond the end of a segment, else 1
 *              state_roots.G i64 (N)          the known state before each segment
 *              state_saved.G i64 (V)          segments whose last states are kept
 *              state_rows   i64 (S)           where row s is among the N * M of both groups
 *              state_places i64 (both V, 1)   numbers under which states are kept
 *     outputs  next_hidden  f32 (1, S, H)     all but the last stage (an output's name must differ
 *                                             from an input's)
 *              logits.N     f32 (L, part)     last stage: part N of the LM head, 0 to 7
 *              logits.N.T   f32 (L, some)     the same of some tokens of a part, from token T on
 *              logits       f32 (L, V)        last stage of a model whose head is not in parts
 *              normed       f32 (W, H)        last stage
 *              gram.L.P.I   f32 (n, n)        if they were asked for: of layer L, what projection P
 *                                             reads from input I on, see `GramOutput`
 *              present_key.L, present_value.L, present_conv.L, present_inputs.L, present_state.L
 *                           the same buffers as past_*: they are passed as preallocated fetches
 *                           and written in place
 *              present_latent.L, present_latent_value.L
 *                           both are the buffer of past_latent.L, to which the same numbers are
 *                           written as keys and as values
 *
 * A graph of parts of the LM head takes `normed` f32 (W, H) and gives their `logits.N`.
 *
 * @module
 */
import type { TokenRange } from "../head_parts.ts";

/**
 * Bias that hides a slot from a row: so low that softmax gives exactly 0 in f32, and not so low
 * that a sum overflows.
 */
export const MASKED: number = -1e9;

/** Groups in which segments of rows with recurrent states are run, those of a group padded alike. */
export const SEGMENT_GROUPS = ["short", "long"] as const;

/** A constant of a graph that lies in a file. */
export interface ExternalTensor {
  /** Name in the graph. */
  name: string;
  /** Element type, as a number in `TensorProto.DataType`. */
  type: number;
  dims: number[];
  /** Name of the file in the graph's folder. */
  location: string;
  /** Where the elements are in the file, in bytes. */
  offset: number;
  length: number;
}

/** An output with the logits of some tokens. */
export interface LogitsOutput extends TokenRange {
  /** Name of the output, f32 (L, rows). */
  name: string;
}

/** A graph of some parts of the LM head, ready for an inference session. */
export interface HeadGraph {
  /** Path of the `.onnx` file. The blobs that it refers to lie in the same folder. */
  path: string;
  /** Constants that lie in files; undefined: the session finds them in the graph's file alone. */
  external?: ExternalTensor[];
  /** Its outputs, one for each part, in the order of the tokens. */
  logits: LogitsOutput[];
  /** Bytes of the weights that a session maps. */
  weightBytes: number;
}

/**
 * A buffer in which an arena keeps something of each row for a layer, f32 (1, heads, C, dim). A
 * session reads and writes it.
 */
export interface RowCache {
  /** Name of the session's input that reads the buffer. */
  past: string;
  /** Name of the session's output that writes the same buffer. */
  present: string;
  /** Name of another output that writes the same numbers to it: values that are keys too. */
  again?: string;
  heads: number;
  /** Elements of one row of a head. */
  dim: number;
  /** It is of a windowed layer: it may keep fewer rows than the arena has. @default false */
  windowed?: boolean;
}

/** A buffer with the recurrent states of one layer, f32 (states, heads, state, head_dim). */
export interface StateCache {
  /** Name of the session's input that reads the buffer. */
  past: string;
  /** Name of the session's output that writes the same buffer. */
  present: string;
  /** Heads, and rows and columns of the state of one. */
  dims: [heads: number, state: number, headDim: number];
}

/** Outputs with the Gram matrix X^T X of the rows X (S, inputs) that some projections read. */
export interface GramOutput {
  /** Number of the layer in the whole model, 0-based. */
  layer: number;
  /** The projections, by their short names in the layer's group. */
  keys: string[];
  /**
   * Of projections of experts: the expert whose rows these are, and the output f32 [1] that counts
   * them. @default all rows of the layer
   */
  expert?: { number: number; rows: string };
  /** Elements of a row. */
  inputs: number;
  /** Windows on the diagonal of the matrix, f32 (size, size), from input `first` on. */
  windows: { name: string; first: number; size: number }[];
}

/** A stage graph, ready for an inference session. */
export interface StageGraph {
  /** Path of the `.onnx` file. The blobs that it refers to lie in the same folder. */
  path: string;
  /** Constants that lie in files; undefined: the session finds them in the graph's file alone. */
  external?: ExternalTensor[];
  /** Names of its inputs. */
  inputs: readonly string[];
  /** Names of its outputs. */
  outputs: readonly string[];
  /**
   * Graphs of some of its layers each, in order: a session of each takes the place of one of the whole,
   * and `path` is that of the first. @default one session has all layers
   */
  parts?: StageGraph[];
  /** First layer of the stage, 0-based. */
  firstLayer: number;
  /** Last layer of the stage, inclusive. */
  lastLayer: number;
  /** Whether the stage has the embedding: it takes `tokens`. */
  first: boolean;
  /** Whether the stage has the final norm: it takes `want` and gives `logits` or `normed`. */
  last: boolean;
  /** Its outputs with logits, in the order of the tokens; empty: it has no LM head. */
  logits: LogitsOutput[];
  /**
   * Bytes of the weights that a session maps; `stage.ts` says how many of them become private
   * memory.
   */
  weightBytes: number;
  /**
   * Positions that a row sees in the windowed layers of this stage, its own included; undefined:
   * the stage has no such layers.
   */
  window?: number;
  /** Rows that a convolution of this stage adds up; undefined: the stage has none. */
  kernel?: number;
  /** The recurrent states of its layers; undefined: it has none. */
  recurrence?: {
    /** Rows that the convolution before a recurrence adds up. */
    kernel: number;
    states: StateCache[];
  };
  /** The buffers of its layers in an arena, one list for each layer. */
  caches: RowCache[][];
  /** Outputs for calibration, if they were asked for. */
  grams?: GramOutput[];
  /** Bytes of one row in all these buffers. */
  kvBytesPerRow: number;
  /** Those of them that are in the buffers of windowed layers; undefined: none. */
  windowedBytesPerRow?: number;
}

/**
 * Names of the KV inputs and outputs of a layer; `layer` is its number in the whole model, 0-based.
 */
export const kvNames = (
  layer: number,
): { pastKey: string; pastValue: string; presentKey: string; presentValue: string } => ({
  pastKey: `past_key.${layer}`,
  pastValue: `past_value.${layer}`,
  presentKey: `present_key.${layer}`,
  presentValue: `present_value.${layer}`,
});

/**
 * Names of the inputs and outputs of a layer with latent attention; `layer` as in
 * {@linkcode kvNames}. One buffer has what keys and values come of, and the operator writes it as
 * both.
 */
export const latentNames = (layer: number): ReturnType<typeof kvNames> => ({
  pastKey: `past_latent.${layer}`,
  pastValue: `past_latent.${layer}`,
  presentKey: `present_latent.${layer}`,
  presentValue: `present_latent_value.${layer}`,
});

/** Names of the inputs and outputs of a layer with a recurrence; `layer` as in {@linkcode kvNames}. */
export const recurrenceNames = (
  layer: number,
): { pastInputs: string; presentInputs: string; pastState: string; presentState: string } => ({
  pastInputs: `past_inputs.${layer}`,
  presentInputs: `present_inputs.${layer}`,
  pastState: `past_state.${layer}`,
  presentState: `present_state.${layer}`,
});

/** Names of the input and output of a layer with a convolution; `layer` as in {@linkcode kvNames}. */
export const convolutionNames = (layer: number): { past: string; present: string } => ({
  past: `past_conv.${layer}`,
  present: `present_conv.${layer}`,
});
