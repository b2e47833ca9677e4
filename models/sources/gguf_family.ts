/**
 * What says of a family of models how a GGUF file stores it, and the fields of config.json that
 * several families share.
 *
 * @module
 */
import type { Metadata } from "./gguf_metadata.ts";
import type { GgufPlaces } from "./gguf_names.ts";

/** A family as llama.cpp stores it. */
export interface GgufFamily extends GgufPlaces {
  /** Hugging Face class. */
  architecture: string;
  /**
   * Whether the rows of Q and K are reordered, so that two dimensions that RoPE rotates together
   * are neighbours.
   */
  permuted?: true;
  /** Number that the converter added to the gains of norms, but those of states. @default 0 */
  gainOffset?: number;
  /** Whether it has experts. @default false */
  experts?: true;
  /** Whether only a part of each head is rotated. @default false */
  partial?: true;
  /** Whether its attention is latent: keys, values and rotation have sizes of their own. @default false */
  latent?: true;
  /** Whether layers without attention have 0 heads of keys and values. @default false */
  mixed?: true;
  /** Field of config.json for the epsilon of norms that subtract the mean. @default RMSNorm */
  layerNorm?: "layer_norm_eps" | "norm_epsilon" | "norm_eps";
  /** Fields of config.json in addition to the common ones. */
  fields?(meta: Metadata): Record<string, unknown>;
}

/** Fields of a mixture of experts. */
export const expertFields = (meta: Metadata): Record<string, unknown> => ({
  num_local_experts: meta.required("expert_count"),
  num_experts_per_tok: meta.required("expert_used_count"),
});

/** Fields of the Granite families: the factors of embedding, scores, updates and logits. */
export const graniteFields = (meta: Metadata): Record<string, unknown> => ({
  attention_bias: meta.hasBias("attn_q"),
  mlp_bias: meta.hasBias("ffn_up"),
  attention_multiplier: meta.required("attention.scale"),
  embedding_multiplier: meta.number("embedding_scale"),
  residual_multiplier: meta.number("residual_scale"),
  logits_scaling: meta.number("logit_scale"),
});
