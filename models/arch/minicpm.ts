/**
 * MiniCPM: Llama with factors of embedding, residual updates and logits, which config.json states by
 * other fields than Granite's. MiniCPM 3 has latent attention besides.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import { decoder, type Traits } from "./decoder.ts";
import { latentOf, latentTensors, unsupportedLatent, withLatent } from "./latent.ts";
import { decoderTensors } from "./tensors.ts";

/** The factors; those that config.json sets to null change nothing. */
const factors = (
  { scale_emb, scale_depth, dim_model_base, hidden_size, num_hidden_layers }: ModelConfig,
): Traits => ({
  embedding_scale: scale_emb!,
  residual_scale: scale_depth === null ? undefined : scale_depth! / Math.sqrt(num_hidden_layers),
  logit_scale: dim_model_base === null ? undefined : dim_model_base! / hidden_size,
});

/** MiniCPMForCausalLM: MiniCPM 1, 2 and 4. */
export const minicpm = decoder({
  classes: ["MiniCPMForCausalLM"],
  defaults: { scale_emb: 1, dim_model_base: 1, scale_depth: 1, tie_word_embeddings: true },
  unsupported: ({ sparse_config, attention_bias }) => [
    ...(sparse_config ? ["sparse_config (supported: null)"] : []),
    ...(attention_bias ? ["attention_bias true (supported: false)"] : []),
  ],
  traits: factors,
});

/** MiniCPM3ForCausalLM. */
export const minicpm3 = decoder({
  classes: ["MiniCPM3ForCausalLM"],
  defaults: {
    max_position_embeddings: 32768,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
    kv_lora_rank: 256,
    q_lora_rank: 768,
    qk_nope_head_dim: 64,
    qk_rope_head_dim: 32,
    scale_emb: 12,
    scale_depth: 1.4,
    dim_model_base: 256,
  },
  unsupported: unsupportedLatent,
  traits: (config) => ({ attention: latentOf(config), ...factors(config) }),
  adjusted: withLatent,
  tensors: (geometry) => latentTensors(decoderTensors(geometry), geometry),
});
