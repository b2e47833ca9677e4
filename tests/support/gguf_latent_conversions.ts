/**
 * What llama.cpp's converter does to checkpoints with latent attention.
 *
 * @module
 */
import { type Config, type Conversion, fieldsOf, type Values } from "./gguf_converter.ts";
import { ggufF32 as f32, type GgufField, ggufU32 as u32 } from "./gguf_writer.ts";

/** Elements of a query of a head. */
const queryOf = (config: Config) =>
  Number(config.qk_nope_head_dim) + Number(config.qk_rope_head_dim);

/** Metadata that both layouts have. */
const latent = (config: Config): Record<string, GgufField> => ({
  ...fieldsOf({
    "attention.kv_lora_rank": "kv_lora_rank",
    "rope.dimension_count": "qk_rope_head_dim",
    ...(config.q_lora_rank === null ? {} : { "attention.q_lora_rank": "q_lora_rank" }),
  })(config),
});

/** Metadata of files whose matrices of keys and values stand apart. */
const apart = (config: Config): Record<string, GgufField> => ({
  ...latent(config),
  "attention.head_count_kv": u32(1),
  "attention.key_length": u32(Number(config.kv_lora_rank) + Number(config.qk_rope_head_dim)),
  "attention.value_length": u32(config.kv_lora_rank),
  "attention.key_length_mla": u32(queryOf(config)),
  "attention.value_length_mla": u32(config.v_head_dim),
});

/** Metadata of files that have both in one tensor. */
const joined = (config: Config): Record<string, GgufField> => ({
  ...latent(config),
  "attention.key_length": u32(queryOf(config)),
  "attention.value_length": u32(config.v_head_dim),
});

/** Metadata of a mixture of experts; `gating` is the number of its scores. */
const experts = (config: Config, gating: number): Record<string, GgufField> => ({
  ...fieldsOf({
    "expert_count": "n_routed_experts",
    "expert_used_count": "num_experts_per_tok",
    "expert_shared_count": "n_shared_experts",
    "expert_feed_forward_length": "moe_intermediate_size",
    "leading_dense_block_count": "first_k_dense_replace",
  })(config),
  "expert_weights_scale": f32(config.routed_scaling_factor),
  "expert_gating_func": u32(gating),
  ...(config.norm_topk_prob ? { "expert_weights_norm": { type: "bool", value: true } } : {}),
  ...(Number(config.n_group ?? 1) > 1
    ? fieldsOf({ "expert_group_count": "n_group", "expert_group_used_count": "topk_group" })(config)
    : {}),
});

const [SOFTMAX, SIGMOID] = [1, 2];

/** Metadata of YaRN with one weight of the scores' factor. */
const yarn = (weight: number): Record<string, GgufField> => ({
  "rope.scaling.type": { type: "string", value: "yarn" },
  "rope.scaling.factor": f32(4),
  "rope.scaling.original_context_length": u32(32),
  "rope.scaling.yarn_beta_fast": f32(4),
  "rope.scaling.yarn_beta_slow": f32(1),
  "rope.scaling.yarn_log_multiplier": f32(0.1 * weight),
});

/** The same in config.json, with the weight for both. */
const yarnScaling = (weight: number): Config => ({
  rope_scaling: {
    ...{ type: "yarn", factor: 4, original_max_position_embeddings: 32 },
    ...{ beta_fast: 4, beta_slow: 1, mscale: weight, mscale_all_dim: weight },
  },
});

/** Takes the matrices of keys and values apart, and turns those of keys. */
function takenApart(name: string, tensor: Values, config: Config): [name: string, Values][] {
  const [, layer] = /^model\.layers\.(\d+)\.self_attn\.kv_b_proj\.weight$/.exec(name) ?? [];
  if (layer === undefined) return [[name, tensor]];
  const heads = Number(config.num_attention_heads);
  const [rows, rank] = tensor.shape;
  const [each, value] = [rows / heads, Number(config.v_head_dim)];
  const plain = each - value;
  const at = (head: number, row: number, i: number) =>
    tensor.values[(head * each + row) * rank + i];
  const [keys, values]: number[][] = [[], []];
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < rank; i++) {
      for (let row = 0; row < plain; row++) keys.push(at(head, row, i));
    }
    for (let row = plain; row < each; row++) {
      for (let i = 0; i < rank; i++) values.push(at(head, row, i));
    }
  }
  return [
    [`blk.${layer}.attn_k_b.weight`, {
      shape: [heads, rank, plain],
      values: Float32Array.from(keys),
    }],
    [`blk.${layer}.attn_v_b.weight`, {
      shape: [heads, value, rank],
      values: Float32Array.from(values),
    }],
  ];
}

/** Factors of longrope in the fixture of MiniCPM 3, which stand in tensors. */
const FACTORS = Float32Array.from({ length: 8 }, (_, i) => 1 + 0.1 * i);

/** The families by the name of their fixture. */
export const LATENT_CONVERSIONS: Record<string, Conversion> = {
  deepseek_v2: {
    config: yarnScaling(0.707),
    extra: (config) => ({ ...apart(config), ...experts(config, SOFTMAX), ...yarn(0.707) }),
    changed: takenApart,
  },
  "deepseek_v2, its matrices of keys and values in one tensor": {
    fixture: "deepseek_v2",
    config: yarnScaling(1),
    extra: (config) => ({ ...joined(config), ...experts(config, SOFTMAX), ...yarn(1) }),
  },
  deepseek_v2_groups: {
    extra: (config) => ({ ...apart(config), ...experts(config, SOFTMAX) }),
    changed: takenApart,
  },
  deepseek_v3: {
    extra: (config) => ({ ...apart(config), ...experts(config, SIGMOID), ...yarn(1) }),
    changed: takenApart,
  },
  glm4_moe_lite: {
    config: { architectures: ["DeepseekV3ForCausalLM"], first_k_dense_replace: 1 },
    extra: (config) => ({ ...apart(config), ...experts(config, SIGMOID) }),
    changed: takenApart,
  },
  minicpm3: {
    config: { scale_emb: 12, scale_depth: 1.4, dim_model_base: 256 },
    extra: joined,
    changed: (name, tensor) => {
      if (name !== "model.norm.weight") return [[name, tensor]];
      const factors = { shape: [FACTORS.length], values: FACTORS };
      return [
        [name, tensor],
        ["rope_factors_long.weight", factors],
        ["rope_factors_short.weight", factors],
      ];
    },
  },
};
