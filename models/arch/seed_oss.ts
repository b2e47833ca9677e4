/**
 * Seed-OSS: Llama with biases of query, key and value.
 *
 * @module
 */
import { decoder } from "./decoder.ts";

/** SeedOssForCausalLM. */
export const seedOss = decoder({
  classes: ["SeedOssForCausalLM"],
  defaults: {
    num_key_value_heads: 8,
    head_dim: 128,
    max_position_embeddings: 524288,
    attention_bias: true,
    attention_out_bias: false,
  },
  unsupported: ({ attention_bias, attention_out_bias }) =>
    attention_out_bias && !attention_bias
      ? ["attention_out_bias true without attention_bias (supported: both, or the latter alone)"]
      : [],
  traits: (config) => ({
    attention: config.attention_bias
      ? { bias: config.attention_out_bias ? "qkvo" : "qkv" }
      : undefined,
    mlp: config.mlp_bias ? { bias: true } : undefined,
  }),
});
