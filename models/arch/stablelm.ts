/**
 * StableLM 2 and 3B: Llama with LayerNorm, which rotates a quarter of each head. In some models
 * attention and MLP read the same normed rows.
 *
 * @module
 */
import { decoder } from "./decoder.ts";

/** StableLmForCausalLM. */
export const stablelm = decoder({
  classes: ["StableLmForCausalLM"],
  defaults: {
    num_key_value_heads: 32,
    max_position_embeddings: 4096,
    layer_norm_eps: 1e-5,
    partial_rotary_factor: 0.25,
  },
  epsilonField: "layer_norm_eps",
  partialRotation: true,
  unsupported: ({ qk_layernorm }) => qk_layernorm ? ["qk_layernorm true (supported: false)"] : [],
  traits: (config) => ({
    attention: config.use_qkv_bias ? { bias: "qkv" } : undefined,
    ...(config.use_parallel_residual && { parallel: true }),
    norms: { kind: "layer", bias: true },
  }),
});
