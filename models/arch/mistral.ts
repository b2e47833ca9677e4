/**
 * Mistral: Llama whose layers all have a sliding window. Ministral: some of its layers have one.
 * Ministral 3: none has; queries of positions beyond the original context are scaled, so the
 * context ends there.
 *
 * @module
 */
import { decoder, layersWhere, slidingLayers, windowOf } from "./decoder.ts";
import { originalContext } from "./rope.ts";

const DEFAULTS = {
  num_key_value_heads: 8,
  max_position_embeddings: 131072,
  sliding_window: 4096,
};

/** MistralForCausalLM. */
export const mistral = decoder({
  classes: ["MistralForCausalLM"],
  defaults: DEFAULTS,
  traits: (config) => ({ local: windowOf(config, layersWhere(config, () => true)) }),
  unsupported: ({ layer_types }) =>
    new Set(layer_types).size > 1
      ? ["layer_types that differ (supported: one for all layers)"]
      : [],
});

/** MinistralForCausalLM. */
export const ministral = decoder({
  classes: ["MinistralForCausalLM"],
  defaults: DEFAULTS,
  traits: (config) => ({ local: windowOf(config, slidingLayers(config, () => true)) }),
});

/** Ministral3ForCausalLM. */
export const ministral3 = decoder({
  classes: ["Ministral3ForCausalLM"],
  defaults: {
    num_key_value_heads: 8,
    head_dim: 128,
    max_position_embeddings: 262144,
    rms_norm_eps: 1e-5,
    rope_parameters: {
      rope_type: "yarn",
      rope_theta: 1_000_000,
      factor: 16,
      original_max_position_embeddings: 16384,
      beta_fast: 32,
      beta_slow: 1,
      mscale_all_dim: 1,
      mscale: 1,
      llama_4_scaling_beta: 0.1,
    },
  },
  traits: (config) => ({ local: windowOf(config, layersWhere(config, () => true)) }),
  adjusted: (geometry, config) =>
    config.rope_parameters?.["llama_4_scaling_beta"]
      ? { ...geometry, context: originalContext(config) }
      : geometry,
});
