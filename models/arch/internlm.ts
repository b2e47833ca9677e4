/**
 * InternLM 3: Llama with biases that config.json names otherwise.
 *
 * @module
 */
import { decoder } from "./decoder.ts";

/** InternLM3ForCausalLM. */
export const internlm3 = decoder({
  classes: ["InternLM3ForCausalLM"],
  defaults: { max_position_embeddings: 32768, qkv_bias: false, bias: false },
  unsupported: ({ qkv_bias, bias }) =>
    bias && !qkv_bias ? ["bias true with qkv_bias false (supported: both, or none of them)"] : [],
  traits: ({ qkv_bias, bias }) => ({
    attention: qkv_bias ? { bias: bias ? "qkvo" : "qkv" } : undefined,
    mlp: bias ? { bias: true } : undefined,
  }),
});
