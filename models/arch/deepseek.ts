/**
 * DeepSeek V2 and V3, and what is built like them: latent attention, and mixtures of experts beside
 * an MLP for all rows, but not in the first layers. Youtu-LLM has the attention alone.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { ModelConfig } from "./config.ts";
import { decoder, type DecoderFamily, layersWhere, type Traits } from "./decoder.ts";
import {
  denseOf,
  EXPERT_PLACES,
  type Experts,
  expertsOf,
  groupsOf,
  placedExperts,
  unsupportedExperts,
} from "./experts.ts";
import { latentOf, latentTensors, unsupportedLatent, withLatent } from "./latent.ts";
import { decoderTensors } from "./tensors.ts";

/** Defaults of all these classes. */
const DEFAULTS = { kv_lora_rank: 512, qk_rope_head_dim: 64 };

/** What all these classes have in common. */
const COMMON = {
  widthField: "moe_intermediate_size",
  adjusted: withLatent,
  tensors: (geometry: Geometry) =>
    latentTensors(placedExperts(decoderTensors(geometry), geometry, EXPERT_PLACES), geometry),
} as const satisfies Partial<DecoderFamily>;

/** What a router says of itself; absent fields say what its class does. */
interface RouterRule {
  topk_method: readonly string[];
  scoring_func: string;
}

/** Settings of experts and of latent attention that are not supported, in words. */
function unsupported(config: ModelConfig, by: "one" | "two", rule: RouterRule): string[] {
  const found = [...unsupportedLatent(config), ...unsupportedExperts(config, by)];
  const { topk_method: method, scoring_func: scores, moe_layer_freq: frequency } = config;
  if (method && !rule.topk_method.includes(method)) {
    found.push(`topk_method ${method} (supported: ${rule.topk_method.join(", ")})`);
  }
  if (scores && scores !== rule.scoring_func) {
    found.push(`scoring_func ${scores} (supported: ${rule.scoring_func})`);
  }
  if (frequency && frequency !== 1) found.push(`moe_layer_freq ${frequency} (supported: 1)`);
  return found;
}

/** The MLP beside the experts and the factor of their weights. */
function beside(config: ModelConfig): Pick<Experts, "scale" | "shared"> {
  const shared = Number(config.moe_intermediate_size) * config.n_shared_experts!;
  const scale = config.routed_scaling_factor!;
  return {
    ...(scale !== 1 && { scale }),
    ...(shared > 0 && { shared: { intermediate: shared } }),
  };
}

/** Layers before the first one with experts. */
const firstDense = (config: ModelConfig): number[] =>
  layersWhere(config, (layer) => layer < config.first_k_dense_replace!);

/** DeepseekV2ForCausalLM; Lite and Coder too. */
export const deepseekV2 = decoder({
  ...COMMON,
  classes: ["DeepseekV2ForCausalLM"],
  interleaved: true,
  defaults: {
    ...DEFAULTS,
    q_lora_rank: 1536,
    qk_nope_head_dim: 128,
    v_head_dim: 128,
    moe_intermediate_size: 1407,
    n_routed_experts: 64,
    n_shared_experts: 2,
    routed_scaling_factor: 1,
    first_k_dense_replace: 0,
    topk_method: "greedy",
    norm_topk_prob: false,
  },
  unsupported(config) {
    const grouped = config.topk_method === "group_limited_greedy";
    const found = unsupported(grouped ? config : { ...config, n_group: 1 }, "one", {
      topk_method: ["greedy", "group_limited_greedy"],
      scoring_func: "softmax",
    });
    // The published code divides the weights by their sum, transformers does not: no model asks for it.
    if (config.norm_topk_prob) found.push("norm_topk_prob true (supported: false)");
    return found;
  },
  traits: (config): Traits => ({
    attention: latentOf(config),
    experts: {
      ...expertsOf(config, false),
      ...(config.topk_method === "group_limited_greedy" && groupsOf(config, "one")),
      ...beside(config),
      ...denseOf(config, firstDense(config)),
    },
  }),
});

/** Experts that are scored by sigmoids and chosen with corrections. */
function corrected(config: ModelConfig, dense: number[]): Traits {
  return {
    attention: latentOf(config),
    experts: {
      ...expertsOf(config, config.norm_topk_prob!),
      scores: "sigmoid",
      correction: true,
      ...groupsOf(config, "two"),
      ...beside(config),
      ...denseOf(config, dense),
    },
  };
}

const CORRECTED = { topk_method: ["noaux_tc"], scoring_func: "sigmoid" };

/** DeepseekV3ForCausalLM; Moonlight is one too. */
export const deepseekV3 = decoder({
  ...COMMON,
  classes: ["DeepseekV3ForCausalLM"],
  defaults: {
    ...DEFAULTS,
    max_position_embeddings: 4096,
    q_lora_rank: 1536,
    qk_nope_head_dim: 128,
    v_head_dim: 128,
    moe_intermediate_size: 2048,
    n_routed_experts: 256,
    n_shared_experts: 1,
    num_experts_per_tok: 8,
    routed_scaling_factor: 2.5,
    n_group: 8,
    topk_group: 4,
    first_k_dense_replace: 3,
    norm_topk_prob: true,
    rope_interleave: true,
  },
  unsupported: (config) => unsupported(config, "two", CORRECTED),
  traits: (config) => corrected(config, firstDense(config)),
  adjusted: turned,
});

/** Layers without experts: those that `mlp_layer_types` names, or, without that field, the first. */
const denseByType = (config: ModelConfig): number[] =>
  layersWhere(
    config,
    (layer) => config.mlp_layer_types ? config.mlp_layer_types[layer] === "dense" : layer === 0,
  );

/** Glm4MoeLiteForCausalLM (GLM-4.7-Flash). */
export const glm4MoeLite = decoder({
  ...COMMON,
  classes: ["Glm4MoeLiteForCausalLM"],
  defaults: {
    ...DEFAULTS,
    num_key_value_heads: 20,
    max_position_embeddings: 202752,
    rms_norm_eps: 1e-5,
    q_lora_rank: 768,
    qk_nope_head_dim: 192,
    v_head_dim: 256,
    moe_intermediate_size: 1536,
    n_routed_experts: 64,
    n_shared_experts: 1,
    num_experts_per_tok: 4,
    routed_scaling_factor: 1.8,
    n_group: 1,
    topk_group: 1,
    norm_topk_prob: true,
    rope_interleave: true,
    num_nextn_predict_layers: 1,
  },
  unsupported(config) {
    const found = unsupported(config, "two", CORRECTED);
    const types = config.mlp_layer_types;
    if (types && types.length !== config.num_hidden_layers) {
      found.push(`mlp_layer_types of ${types.length} of its ${config.num_hidden_layers} layers`);
    }
    for (const type of new Set(types ?? [])) {
      if (type !== "dense" && type !== "sparse") {
        found.push(`mlp_layer_types ${type} (supported: dense, sparse)`);
      }
    }
    return found;
  },
  traits: (config) => corrected(config, denseByType(config)),
  adjusted: turned,
});

/** YoutuForCausalLM. */
export const youtu = decoder({
  classes: ["YoutuForCausalLM"],
  defaults: {
    ...DEFAULTS,
    num_key_value_heads: 16,
    max_position_embeddings: 131072,
    tie_word_embeddings: true,
    q_lora_rank: 1536,
    qk_nope_head_dim: 128,
    v_head_dim: 128,
    rope_interleave: true,
  },
  unsupported: unsupportedLatent,
  traits: (config) => ({ attention: latentOf(config) }),
  adjusted: turned,
  tensors: (geometry) => latentTensors(decoderTensors(geometry), geometry),
});

/** The geometry of latent attention whose config.json says which dimensions are rotated together. */
function turned(geometry: Geometry, config: ModelConfig): Geometry {
  const latent = withLatent(geometry, config);
  if (config.rope_interleave === false) return latent;
  return { ...latent, rope: { ...latent.rope, interleaved: true } };
}
