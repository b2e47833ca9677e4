/**
 * ERNIE 4.5: Llama that rotates neighbours. Its mixtures of experts, which the first layers do not
 * have, stand beside an MLP for all rows.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import { decoder, layersWhere, type Traits } from "./decoder.ts";
import {
  denseOf,
  EXPERT_PLACES,
  type ExpertRows,
  expertsOf,
  placedExperts,
  unsupportedExperts,
} from "./experts.ts";
import { decoderTensors } from "./tensors.ts";

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
  traits: biases,
});

/** Biases of both classes. */
function biases(config: ModelConfig): Traits {
  return {
    attention: config.use_bias ? { bias: "qkvo" } : undefined,
    mlp: config.use_bias ? { bias: true } : undefined,
  };
}

/** Layers without experts: those before the first and behind the last with them, and between. */
function denseLayers(config: ModelConfig): number[] {
  const { moe_layer_start_index: start, moe_layer_end_index: end, num_hidden_layers } = config;
  const last = end === -1 ? num_hidden_layers - 1 : end!;
  return layersWhere(
    config,
    (layer) => layer < start! || layer > last || (layer + 1) % config.moe_layer_interval! !== 0,
  );
}

/** A vector [1, experts]. */
const correction: ExpertRows = (prefix, { experts }) => ({
  name: `${prefix}mlp.moe_statics.e_score_correction_bias`,
  within: { shape: [1, experts!.count], firstRow: 0 },
});

/** Ernie4_5_MoeForCausalLM. */
export const ernieMoe = decoder({
  classes: ["Ernie4_5_MoeForCausalLM"],
  defaults: {
    num_key_value_heads: 4,
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-5,
    rope_theta: 500_000,
    tie_word_embeddings: true,
    moe_intermediate_size: 1536,
    moe_k: 6,
    moe_num_experts: 64,
    moe_num_shared_experts: 2,
    moe_layer_start_index: 1,
    moe_layer_end_index: -1,
    moe_layer_interval: 1,
  },
  widthField: "moe_intermediate_size",
  interleaved: true,
  unsupported(config) {
    const found = unsupportedExperts(config);
    if (config.use_bias) found.push("use_bias true (supported: false)");
    return found;
  },
  traits(config) {
    const shared = Number(config.moe_intermediate_size) * config.moe_num_shared_experts!;
    return {
      experts: {
        ...expertsOf(config, true),
        correction: true,
        ...(shared > 0 && { shared: { intermediate: shared } }),
        ...denseOf(config, denseLayers(config)),
      },
    };
  },
  tensors: (geometry) =>
    placedExperts(decoderTensors(geometry), geometry, {
      ...EXPERT_PLACES,
      "mlp.router_correction": correction,
    }),
});
