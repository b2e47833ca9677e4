/**
 * What a head actor needs from an engine. The real one lives in `runtime/engine/`; simulations and
 * tests pass others.
 *
 * @module
 */
import type { Sampling } from "./frame.ts";
import type { RowFailure } from "./head_messages.ts";
import type { PackedPartials } from "./pack_partials.ts";
import type { Tensor } from "./tensor.ts";

/** Facts of a loaded shard of the LM head that do not change. */
export interface HeadInfo {
  /** Number of its parts. */
  parts: number;
  /** Tokens in the whole vocabulary. */
  vocab: number;
  /** Number of its own tokens. */
  tokens: number;
  /** Elements of one row. */
  hidden: number;
}

/** How the token of a row is chosen. */
export interface HeadRow {
  /** Index of the row among those of `normed`. */
  row: number;
  /** Settings of the row's sampler. */
  sampling: Sampling;
  /** Position of the token that is sampled. */
  position: number;
  /** Tokens before it, each once, and how often each was generated; undefined: none counts. */
  occurrences?: { tokens: Int32Array; generated: Int32Array };
  /** Mask of the shard's own tokens, see `token_mask.ts`; undefined: all may be chosen. */
  allowed?: Int32Array;
  /** The token whose log-probability is wanted in place of a choice; undefined: one is chosen. */
  given?: number;
}

/** What a shard says of some rows. */
export interface HeadOutput {
  /** The rows that have not failed, in the order asked for, with all parts each. */
  partials: PackedPartials;
  /** Rows with a NaN or an infinity among their logits (`bad_logits`). */
  failed: RowFailure[];
  /** true: a part has more candidates than it lists, and the arbiter may ask for them. */
  more: boolean;
  /** Milliseconds that the engine computed. */
  computeMs: number;
}

/** Computes some parts of the LM head. Calls are executed one at a time, in order. */
export interface HeadEngine {
  /** Facts of the shard, fixed while it is loaded. */
  readonly info: HeadInfo;
  /**
   * Computes the logits of all rows of `normed`, f32 (rows, hidden), which must not change until
   * the answer comes, and says of `rows` what choosing needs, with at most `limit` candidates a part. The same
   * `normed` gives the same bits, whatever is asked of it. Throws `engine_failed` and `bad_frame`
   * (group `engine`).
   */
  run(
    request: { normed: Tensor; rows: HeadRow[]; limit: number },
    signal?: AbortSignal,
  ): Promise<HeadOutput>;
  /** Frees all memory of the engine. Later calls throw `engine_failed`. */
  dispose(): Promise<void>;
}
