/**
 * MiniCPM 1, 2 and 4: Llama with factors of embedding, residual updates and logits, which config.json
 * states by other fields than Granite's.
 *
 * @module
 */
import { decoder } from "./decoder.ts";

/** MiniCPMForCausalLM. */
export const minicpm = decoder({
  classes: ["MiniCPMForCausalLM"],
  defaults: { scale_emb: 1, dim_model_base: 1, scale_depth: 1, tie_word_embeddings: true },
  unsupported: ({ sparse_config, attention_bias }) => [
    ...(sparse_config ? ["sparse_config (supported: null)"] : []),
    ...(attention_bias ? ["attention_bias true (supported: false)"] : []),
  ],
  traits: ({ scale_emb, scale_depth, dim_model_base, hidden_size, num_hidden_layers }) => ({
    embedding_scale: scale_emb!,
    residual_scale: scale_depth! / Math.sqrt(num_hidden_layers),
    logit_scale: dim_model_base! / hidden_size,
  }),
});
