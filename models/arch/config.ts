/**
 * config.json: the fields of decoder-only families, with Llama's defaults. A family with other
 * defaults states them (see {@linkcode parseConfig}).
 *
 * @module
 */
import { z } from "zod";
import { modelError } from "../errors.ts";

const count = z.number().int().positive().max(2 ** 31);
const tokenId = z.number().int().nonnegative();
/** A number or infinity, which transformers 5 writes as an object. */
const anyNumber = z.union([
  z.number(),
  z.custom<number>((value) => value === Infinity, "must be a number"),
  z.object({ __float__: z.literal("Infinity") }).transform(() => Infinity),
]);
const rope = z.record(z.string(), z.unknown());

/** Fields of config.json; unknown ones are kept. */
export const configSchema = z.looseObject({
  architectures: z.array(z.string()).min(1),
  hidden_size: count,
  intermediate_size: count,
  moe_intermediate_size: z.union([count, z.array(count)]).nullish(),
  num_experts: z.number().int().nonnegative().max(4096).nullish(),
  num_local_experts: z.number().int().nonnegative().max(4096).nullish(),
  num_experts_per_tok: z.number().int().nonnegative().nullish(),
  n_routed_experts: count.max(4096).nullish(),
  moe_num_experts: count.max(4096).nullish(),
  moe_k: count.nullish(),
  moe_topk: z.union([count, z.array(count)]).nullish(),
  moe_num_shared_experts: z.number().int().nonnegative().nullish(),
  moe_layer_start_index: z.number().int().nonnegative().nullish(),
  moe_layer_end_index: z.number().int().nullish(),
  moe_layer_interval: count.nullish(),
  n_shared_experts: z.number().int().nonnegative().nullish(),
  shared_expert_intermediate_size: count.nullish(),
  shared_intermediate_size: z.number().int().nonnegative().nullish(),
  first_k_dense_replace: z.number().int().nonnegative().nullish(),
  num_dense_layers: z.number().int().nonnegative().nullish(),
  num_nextn_predict_layers: z.number().int().nonnegative().nullish(),
  n_group: count.nullish(),
  topk_group: count.nullish(),
  topk_method: z.string().nullish(),
  scoring_func: z.string().nullish(),
  moe_layer_freq: z.union([count, z.array(z.number().int())]).nullish(),
  mlp_layer_types: z.array(z.string()).nullish(),
  kv_lora_rank: count.max(65536).nullish(),
  q_lora_rank: count.max(65536).nullish(),
  qk_nope_head_dim: count.max(65536).nullish(),
  qk_rope_head_dim: count.max(65536).nullish(),
  v_head_dim: count.max(65536).nullish(),
  rope_interleave: z.boolean().nullish(),
  routed_scaling_factor: z.number().positive().nullish(),
  use_expert_bias: z.boolean().nullish(),
  norm_topk_prob: z.boolean().nullish(),
  decoder_sparse_step: count.nullish(),
  mlp_only_layers: z.array(z.number().int().nonnegative()).nullish(),
  conv_L_cache: count.max(64).nullish(),
  conv_bias: z.boolean().nullish(),
  mamba_n_heads: count.max(65536).nullish(),
  mamba_n_groups: count.max(65536).nullish(),
  mamba_d_state: count.max(65536).nullish(),
  mamba_d_head: z.union([count.max(65536), z.literal("auto")]).nullish(),
  mamba_d_conv: count.max(64).nullish(),
  mamba_expand: z.number().positive().nullish(),
  mamba_conv_bias: z.boolean().nullish(),
  mamba_proj_bias: z.boolean().nullish(),
  mamba_num_heads: count.max(65536).nullish(),
  mamba_head_dim: count.max(65536).nullish(),
  mamba_hidden_act: z.string().nullish(),
  ssm_state_size: count.max(65536).nullish(),
  num_heads: count.max(65536).nullish(),
  state_size: count.max(65536).nullish(),
  n_groups: count.max(65536).nullish(),
  conv_kernel: count.max(64).nullish(),
  expand: z.number().positive().nullish(),
  use_conv_bias: z.boolean().nullish(),
  layers_block_type: z.array(z.string()).nullish(),
  hybrid_override_pattern: z.string().nullish(),
  attention_head_dim: count.nullish(),
  mlp_hidden_act: z.string().nullish(),
  moe_shared_expert_intermediate_size: count.nullish(),
  moe_latent_size: count.nullish(),
  full_attention_interval: count.nullish(),
  linear_conv_kernel_dim: count.max(64).nullish(),
  linear_key_head_dim: count.max(65536).nullish(),
  linear_value_head_dim: count.max(65536).nullish(),
  linear_num_key_heads: count.max(65536).nullish(),
  linear_num_value_heads: count.max(65536).nullish(),
  attn_layer_indices: z.array(z.number().int().nonnegative()).nullish(),
  mamba_d_ssm: count.nullish(),
  mamba_norm_before_gate: z.boolean().nullish(),
  mamba_rms_norm: z.boolean().nullish(),
  projectors_bias: z.boolean().nullish(),
  lm_head_multiplier: z.number().positive().nullish(),
  key_multiplier: z.number().positive().nullish(),
  attention_in_multiplier: z.number().positive().nullish(),
  attention_out_multiplier: z.number().positive().nullish(),
  ssm_in_multiplier: z.number().positive().nullish(),
  ssm_out_multiplier: z.number().positive().nullish(),
  ssm_multipliers: z.array(z.number().positive()).length(5).nullish(),
  mlp_multipliers: z.array(z.number().positive()).length(2).nullish(),
  time_step_limit: z.tuple([anyNumber, anyNumber]).nullish(),
  full_attn_idxs: z.array(z.number().int().nonnegative()).nullish(),
  block_ff_dim: count.nullish(),
  block_auto_adjust_ff_dim: z.boolean().nullish(),
  block_ffn_dim_multiplier: z.number().positive().nullish(),
  block_multiple_of: count.nullish(),
  tie_embedding: z.boolean().nullish(),
  clip_qkv: z.number().positive().nullish(),
  scale_emb: z.number().positive().nullish(),
  scale_depth: z.number().positive().nullish(),
  dim_model_base: z.number().positive().nullish(),
  sparse_config: z.record(z.string(), z.unknown()).nullish(),
  qkv_bias: z.boolean().nullish(),
  bias: z.boolean().nullish(),
  swiglu_limit: z.number().positive().nullish(),
  swiglu_alpha: z.number().positive().nullish(),
  num_hidden_layers: count.max(4096),
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  vocab_size: count,
  max_position_embeddings: count.default(2048),
  original_max_position_embeddings: count.nullish(),
  rms_norm_eps: z.number().positive().max(1).default(1e-6),
  layer_norm_eps: z.number().positive().max(1).nullish(),
  layer_norm_epsilon: z.number().positive().max(1).nullish(),
  norm_epsilon: z.number().positive().max(1).nullish(),
  norm_eps: z.number().positive().max(1).nullish(),
  rope_theta: z.number().positive().nullish(),
  rope_local_base_freq: z.number().positive().nullish(),
  rope_scaling: rope.nullish(),
  rope_parameters: rope.nullish(),
  position_embedding_type: z.string().nullish(),
  partial_rotary_factor: z.number().positive().max(1).nullish(),
  no_rope_layers: z.array(z.number().int().min(0).max(1)).nullish(),
  no_rope_layer_interval: count.nullish(),
  hidden_act: z.string().default("silu"),
  hidden_activation: z.string().nullish(),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  attention_out_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().default(false),
  use_bias: z.boolean().nullish(),
  use_qkv_bias: z.boolean().nullish(),
  use_qk_norm: z.boolean().nullish(),
  qk_layernorm: z.boolean().nullish(),
  use_parallel_residual: z.boolean().nullish(),
  embedding_multiplier: z.number().positive().nullish(),
  attention_multiplier: z.number().positive().nullish(),
  residual_multiplier: z.number().positive().nullish(),
  logits_scaling: z.number().positive().nullish(),
  logit_scale: z.number().positive().nullish(),
  sliding_window: z.number().int().nonnegative().nullish(),
  use_sliding_window: z.boolean().nullish(),
  sliding_window_pattern: z.union([count, z.literal(0), z.string().regex(/^[LG]+$/)]).nullish(),
  max_window_layers: z.number().int().nonnegative().nullish(),
  layer_types: z.array(z.string()).nullish(),
  use_bidirectional_attention: z.boolean().nullish(),
  query_pre_attn_scalar: z.number().positive().nullish(),
  attn_logit_softcapping: z.number().positive().nullish(),
  final_logit_softcapping: z.number().positive().nullish(),
  quantization_config: z.record(z.string(), z.unknown()).nullish(),
  /** What MLX writes in place of `quantization_config`, or beside it. */
  quantization: z.record(z.string(), z.unknown()).nullish(),
  bos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
  eos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
});

/** A validated config.json. */
export type ModelConfig = z.infer<typeof configSchema>;

/**
 * Validates config.json; `file` is its path, for messages. `defaults` fill in absent fields; a
 * field that is null is not absent. Throws OrreryError `model/config_malformed`.
 */
export function parseConfig(
  json: unknown,
  file: string,
  defaults: Readonly<Record<string, unknown>> = {},
): ModelConfig {
  const isObject = typeof json === "object" && json !== null && !Array.isArray(json);
  const stated = isObject ? Object.entries(json).filter(([, value]) => value !== undefined) : [];
  const parsed = configSchema.safeParse(
    isObject ? { ...defaults, ...Object.fromEntries(stated) } : json,
  );
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw malformed(file, issue.path.join(".") || "its top", issue.message);
}

/** Makes an error `config_malformed` about a field of config.json. */
export function malformed(file: string, field: string, what: string): Error {
  return modelError("config_malformed", `${file}: ${field}: ${what}`, { file, field });
}
