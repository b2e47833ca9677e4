/**
 * Llama: RMSNorm, rotary grouped-query attention, SiLU-gated MLP. Llama 1 to 3, TinyLlama, SmolLM,
 * SmolLM2, Yi and others.
 *
 * @module
 */
import { decoder } from "./decoder.ts";

/** LlamaForCausalLM. */
export const llama = decoder({
  classes: ["LlamaForCausalLM"],
  traits: (config) => ({
    attention: config.attention_bias ? { bias: "qkvo" } : undefined,
    mlp: config.mlp_bias ? { bias: true } : undefined,
  }),
});
