/**
 * ERNIE 4.5 (dense): Llama that rotates neighbours.
 *
 * @module
 */
import { decoder } from "./decoder.ts";

/** Ernie4_5ForCausalLM. */
export const ernie = decoder({
  classes: ["Ernie4_5ForCausalLM"],
  defaults: {
    num_key_value_heads: 2,
    head_dim: 128,
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-5,
    rope_theta: 500_000,
    tie_word_embeddings: true,
  },
  interleaved: true,
  traits: (config) => ({
    attention: config.use_bias ? { bias: "qkvo" } : undefined,
    mlp: config.use_bias ? { bias: true } : undefined,
  }),
});
