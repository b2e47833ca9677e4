/**
 * GLM-4 (9B) and GLM-4-0414 (dense): neighbours are rotated, and only half of each head; gate and
 * up lie in one tensor. The later class norms the outputs of attention and MLP too. GLM-4.5 rotates
 * halves, and has mixtures of experts beside an MLP for all rows, but not in its first layers.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { ModelConfig } from "./config.ts";
import { decoder, layersWhere, type Traits } from "./decoder.ts";
import {
  denseOf,
  EXPERT_PLACES,
  expertsOf,
  groupsOf,
  placedExperts,
  unsupportedExperts,
} from "./experts.ts";
import { fusedTensors } from "./fused.ts";
import { decoderTensors } from "./tensors.ts";

const DEFAULTS = {
  num_key_value_heads: 2,
  head_dim: 128,
  max_position_embeddings: 131072,
  rms_norm_eps: 1.5625e-7,
  attention_bias: true,
  partial_rotary_factor: 0.5,
};

const FUSED = { "mlp.gate_up_proj.weight": ["mlp.gate", "mlp.up"] };

/** Names of the later class's norms. */
const SANDWICH = {
  "attn_norm": "input_layernorm.weight",
  "attn_after_norm": "post_self_attn_layernorm.weight",
  "mlp_norm": "post_attention_layernorm.weight",
  "mlp_after_norm": "post_mlp_layernorm.weight",
};

const attention = (config: ModelConfig): Traits["attention"] =>
  config.attention_bias ? { bias: "qkv" } : undefined;

/** GlmForCausalLM. */
export const glm = decoder({
  classes: ["GlmForCausalLM"],
  defaults: DEFAULTS,
  interleaved: true,
  partialRotation: true,
  traits: (config) => ({ attention: attention(config) }),
  tensors: (geometry: Geometry) => fusedTensors(decoderTensors(geometry), FUSED),
});

/** Glm4ForCausalLM. */
export const glm4 = decoder({
  classes: ["Glm4ForCausalLM"],
  defaults: DEFAULTS,
  interleaved: true,
  partialRotation: true,
  traits: (config) => ({ attention: attention(config), norms: { after: true } }),
  tensors: (geometry: Geometry) => fusedTensors(decoderTensors(geometry, SANDWICH), FUSED),
});

/** Glm4MoeForCausalLM. */
export const glm4Moe = decoder({
  classes: ["Glm4MoeForCausalLM"],
  defaults: {
    num_key_value_heads: 8,
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-5,
    attention_bias: false,
    partial_rotary_factor: 0.5,
    moe_intermediate_size: 1408,
    num_experts_per_tok: 8,
    n_routed_experts: 128,
    n_shared_experts: 1,
    routed_scaling_factor: 1,
    n_group: 1,
    topk_group: 1,
    first_k_dense_replace: 1,
    norm_topk_prob: true,
    use_qk_norm: false,
    num_nextn_predict_layers: 1,
  },
  widthField: "moe_intermediate_size",
  partialRotation: true,
  unsupported: (config) => unsupportedExperts(config, "two"),
  traits(config) {
    const shared = Number(config.moe_intermediate_size) * config.n_shared_experts!;
    const scale = config.routed_scaling_factor!;
    return {
      attention: {
        ...(config.use_qk_norm ? { qk_norm: true } : {}),
        ...attention(config),
      },
      experts: {
        ...expertsOf(config, config.norm_topk_prob!),
        scores: "sigmoid",
        correction: true,
        ...groupsOf(config, "two"),
        ...(scale !== 1 && { scale }),
        ...(shared > 0 && { shared: { intermediate: shared } }),
        ...denseOf(config, layersWhere(config, (layer) => layer < config.first_k_dense_replace!)),
      },
    };
  },
  tensors: (geometry) => placedExperts(decoderTensors(geometry), geometry, EXPERT_PLACES),
});
