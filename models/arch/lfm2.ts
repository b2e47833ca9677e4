/**
 * LFM2: most layers have a short convolution in place of attention; the others norm the queries and
 * keys of each head. LFM2 MoE: all layers but the first have a mixture of experts.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import { decoder, layersWhere, type Traits } from "./decoder.ts";
import { denseOf, expertsOf, ofEach, placedExperts, unsupportedExperts } from "./experts.ts";
import { decoderTensors, type LayerNames } from "./tensors.ts";

/** Its own names of a layer's tensors. */
const NAMES: LayerNames = {
  "attn_norm": "operator_norm.weight",
  "mlp_norm": "ffn_norm.weight",
  "attn.q_norm": "self_attn.q_layernorm.weight",
  "attn.k_norm": "self_attn.k_layernorm.weight",
  "attn.o": "self_attn.out_proj.weight",
  "mlp.gate": "feed_forward.w1.weight",
  "mlp.up": "feed_forward.w3.weight",
  "mlp.down": "feed_forward.w2.weight",
};

/** Name of its final norm. */
const FINAL_NORM = "model.embedding_norm.weight";

/**
 * Layers with a convolution: those that `layer_types` names, or, without that field, those that
 * `full_attn_idxs` leaves out.
 */
function convolvedLayers(config: ModelConfig): number[] {
  const { layer_types: types, full_attn_idxs: attending } = config;
  return layersWhere(
    config,
    (layer) => types ? types[layer] === "conv" : attending ? !attending.includes(layer) : false,
  );
}

/** Width of the MLP, which config.json states before it is cut to two thirds and rounded up. */
function width(config: ModelConfig): number {
  const stated = config.block_ff_dim ?? config.intermediate_size;
  if (!config.block_auto_adjust_ff_dim) return stated;
  const cut = Math.floor(2 * stated / 3);
  if (config.block_ffn_dim_multiplier === null) return cut;
  const step = config.block_multiple_of!;
  return step * Math.ceil(Math.floor(config.block_ffn_dim_multiplier! * cut) / step);
}

function traits(config: ModelConfig): Traits {
  const layers = convolvedLayers(config);
  return {
    attention: { qk_norm: true },
    convolution: layers.length === 0 ? undefined : {
      kernel: config.conv_L_cache!,
      layers,
      ...(config.conv_bias ? { bias: true } : {}),
    },
  };
}

const DEFAULTS = {
  num_key_value_heads: 8,
  max_position_embeddings: 128000,
  norm_eps: 1e-5,
  rope_theta: 1e6,
  tie_word_embeddings: true,
  conv_L_cache: 3,
  conv_bias: false,
};

const LAYER_TYPES = ["full_attention", "conv"];

/** Whether embedding and LM head are one, which checkpoints also state under a former name. */
const tied = (config: ModelConfig): boolean => config.tie_embedding ?? config.tie_word_embeddings;

/** Lfm2ForCausalLM. */
export const lfm2 = decoder({
  classes: ["Lfm2ForCausalLM"],
  defaults: {
    ...DEFAULTS,
    intermediate_size: 12288,
    block_multiple_of: 256,
    block_ffn_dim_multiplier: 1,
    block_auto_adjust_ff_dim: true,
  },
  epsilonField: "norm_eps",
  layerTypes: LAYER_TYPES,
  traits,
  adjusted: (geometry, config) => ({
    ...geometry,
    intermediate: width(config),
    tied_embeddings: tied(config),
  }),
  tensors: (geometry) => decoderTensors(geometry, NAMES, FINAL_NORM),
});

/** Names of the projections of an expert. */
const EXPERT_NAMES = { gate: "w1", up: "w3", down: "w2" };

const PLACES = Object.fromEntries(
  Object.entries(EXPERT_NAMES).map(([part, name]) => [
    `mlp.experts.${part}`,
    ofEach((expert) => `feed_forward.experts.${expert}.${name}.weight`),
  ]),
);

const ROUTER_NAMES = {
  "mlp.router": "feed_forward.gate.weight",
  "mlp.router_correction": "feed_forward.expert_bias",
};

/** Lfm2MoeForCausalLM. */
export const lfm2Moe = decoder({
  classes: ["Lfm2MoeForCausalLM"],
  defaults: {
    ...DEFAULTS,
    moe_intermediate_size: 1792,
    num_dense_layers: 2,
    num_experts: 32,
    num_experts_per_tok: 4,
    use_expert_bias: true,
    routed_scaling_factor: 1,
    norm_topk_prob: true,
  },
  epsilonField: "norm_eps",
  widthField: "moe_intermediate_size",
  layerTypes: LAYER_TYPES,
  unsupported: unsupportedExperts,
  traits(config) {
    const scale = config.routed_scaling_factor!;
    const normalised = config.norm_topk_prob!;
    return {
      ...traits(config),
      experts: {
        ...expertsOf(config, normalised),
        scores: "sigmoid",
        ...(config.use_expert_bias && { correction: true }),
        ...(normalised && { epsilon: 1e-6 }),
        ...(scale !== 1 && { scale }),
        ...denseOf(config, layersWhere(config, (layer) => layer < config.num_dense_layers!)),
      },
    };
  },
  adjusted: (geometry, config) => ({ ...geometry, tied_embeddings: tied(config) }),
  tensors: (geometry) =>
    placedExperts(
      decoderTensors(geometry, { ...NAMES, ...ROUTER_NAMES }, FINAL_NORM),
      geometry,
      PLACES,
    ),
});
