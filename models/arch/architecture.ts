import type { Geometry } from "../manifest.ts";
import type { ModelConfig } from "./config.ts";

/**
 * What a tensor is for, which decides how it is stored: a `norm` (any vector: a norm's gain, a
 * bias) always as f32; a `projection` [out, in] in the model's precision; `vocabulary` ([vocab,
 * hidden]: embedding and LM head) likewise, but as q8 in a q4 model.
 */
export type TensorRole = "norm" | "projection" | "vocabulary";

/** A tensor that a model needs. */
export interface TensorSpec {
  /** Short name in its group, e.g. `attn.q`. */
  key: string;
  /** Name in the checkpoint. */
  name: string;
  /** Hugging Face orientation. */
  shape: number[];
  role: TensorRole;
  /**
   * Set where the checkpoint holds it as some rows of a larger tensor: that tensor's shape and the
   * first of the rows.
   */
  within?: { shape: number[]; firstRow: number };
}

/** The groups of a model's tensors; each becomes one blob. */
export interface TensorPlan {
  embedding: TensorSpec[];
  layers: TensorSpec[][];
  head: TensorSpec[];
}

/** A family of models: one small file each. */
export interface Architecture {
  /** Hugging Face classes that it covers. */
  readonly classes: readonly string[];
  /** Fields of config.json that transformers gives another default than Llama's. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** What of this configuration is not supported, in words (empty: everything is). */
  unsupported(config: ModelConfig): string[];
  geometry(config: ModelConfig, architecture: string): Geometry;
  tensors(geometry: Geometry): TensorPlan;
}
