/**
 * Qwen2, Qwen2.5: Llama with biases of query, key and value. Qwen3: no biases, but each head's
 * query and key are normed. Qwen3 MoE: the same with mixtures of experts. Qwen2 MoE (Qwen1.5 MoE) also
 * has an MLP beside the experts, whose output is weighed for each row.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { ModelConfig } from "./config.ts";
import { decoder, layersWhere, slidingLayers, windowOf } from "./decoder.ts";
import {
  EXPERT_PLACES,
  expertsOf,
  placedExperts,
  sparseStepDense,
  unsupportedExperts,
} from "./experts.ts";
import { decoderTensors, type LayerNames } from "./tensors.ts";

const DEFAULTS = {
  num_key_value_heads: 32,
  max_position_embeddings: 32768,
  use_sliding_window: false,
  sliding_window: 4096,
  max_window_layers: 28,
};

/** Layers with a window: with `use_sliding_window`, those from `max_window_layers` on. */
function windowed(config: ModelConfig): Geometry["local"] {
  if (!config.use_sliding_window) return undefined;
  return windowOf(
    config,
    slidingLayers(config, (layer) => layer >= (config.max_window_layers ?? 0)),
  );
}

/** Qwen2ForCausalLM. */
export const qwen2 = decoder({
  classes: ["Qwen2ForCausalLM"],
  defaults: DEFAULTS,
  traits: (config) => ({ attention: { bias: "qkv" }, local: windowed(config) }),
});

/** Qwen3ForCausalLM. */
export const qwen3 = decoder({
  classes: ["Qwen3ForCausalLM"],
  defaults: { ...DEFAULTS, head_dim: 128 },
  traits: (config) => ({
    attention: { qk_norm: true, ...(config.attention_bias ? { bias: "qkvo" } : {}) },
    local: windowed(config),
  }),
});

/** Qwen3MoeForCausalLM. */
export const qwen3Moe = decoder({
  classes: ["Qwen3MoeForCausalLM"],
  defaults: {
    ...DEFAULTS,
    num_key_value_heads: 4,
    moe_intermediate_size: 768,
    num_experts: 128,
    num_experts_per_tok: 8,
    norm_topk_prob: false,
  },
  widthField: "moe_intermediate_size",
  unsupported: unsupportedExperts,
  traits: (config) => ({
    attention: { qk_norm: true, ...(config.attention_bias ? { bias: "qkvo" } : {}) },
    experts: { ...expertsOf(config, config.norm_topk_prob!), ...sparseStepDense(config) },
    local: config.use_sliding_window
      ? windowOf(config, layersWhere(config, () => true))
      : undefined,
  }),
  tensors: (geometry) => placedExperts(decoderTensors(geometry), geometry, EXPERT_PLACES),
});

/** Names of the MLP beside the experts. */
export const SHARED_EXPERT: LayerNames = {
  "mlp.shared.gate": "mlp.shared_expert.gate_proj.weight",
  "mlp.shared.up": "mlp.shared_expert.up_proj.weight",
  "mlp.shared.down": "mlp.shared_expert.down_proj.weight",
  "mlp.shared.router": "mlp.shared_expert_gate.weight",
};

/** Qwen2MoeForCausalLM. */
export const qwen2Moe = decoder({
  classes: ["Qwen2MoeForCausalLM"],
  defaults: {
    ...DEFAULTS,
    num_key_value_heads: 16,
    moe_intermediate_size: 1408,
    shared_expert_intermediate_size: 5632,
    num_experts: 60,
    num_experts_per_tok: 4,
    norm_topk_prob: false,
    qkv_bias: true,
  },
  widthField: "moe_intermediate_size",
  unsupported: unsupportedExperts,
  traits: (config) => ({
    attention: config.qkv_bias ? { bias: "qkv" } : undefined,
    experts: {
      ...expertsOf(config, config.norm_topk_prob!),
      ...sparseStepDense(config),
      shared: { intermediate: config.shared_expert_intermediate_size!, weighed: true },
    },
    local: config.use_sliding_window
      ? windowOf(
        config,
        slidingLayers(
          config,
          (layer) => layer % 2 === 0 && layer < (config.max_window_layers ?? 0),
        ),
      )
      : undefined,
  }),
  tensors: (geometry) =>
    placedExperts(decoderTensors(geometry, SHARED_EXPERT), geometry, EXPERT_PLACES),
});
