/**
 * The families of models in GGUF files: how llama.cpp's converter changed their checkpoints, and
 * which fields of config.json its metadata stand for.
 *
 * @module
 */
import { ggufError } from "./gguf.ts";
import { expertFields, type GgufFamily, graniteFields } from "./gguf_family.ts";
import { LATENT_FAMILIES } from "./gguf_latent.ts";
import { type Metadata, single } from "./gguf_metadata.ts";
import { RECURRENT_FAMILIES, recurrentFamily } from "./gguf_recurrent.ts";

/**
 * Number of layers of the 27B Gemma models. Their scores are scaled by hidden size and heads, those
 * of smaller ones by head_dim.
 */
const GEMMA_27B_LAYERS = { gemma2: 46, gemma3: 62 };

/** The field query_pre_attn_scalar of a Gemma model. */
function scoreScalar(meta: Metadata, layersOf27b: number): number {
  return meta.layers === layersOf27b
    ? meta.required("embedding_length") / meta.required("attention.head_count")
    : meta.headDim;
}

/** Gate and up of an MLP in one tensor. */
const FUSED_MLP = { "ffn_up.weight": ["mlp.gate", "mlp.up"] };

/** Stems of the second norm in families that call it after attention. */
const MLP_NORM_AFTER = { "mlp_norm": "post_attention_norm" };

/** The field layer_types, where the file says of each layer whether it has a window. */
const layerTypes = (meta: Metadata) =>
  meta.flags("attention.sliding_window_pattern")?.map((sliding) =>
    sliding ? "sliding_attention" : "full_attention"
  );

/** Fields of an LFM2: which layers have heads for keys and values, and which a convolution. */
const lfm2Fields = (meta: Metadata) => ({
  norm_eps: meta.epsilon,
  block_auto_adjust_ff_dim: false,
  conv_L_cache: meta.required("shortconv.l_cache"),
  layer_types: meta.numbers("attention.head_count_kv").map((heads) =>
    heads === 0 ? "conv" : "full_attention"
  ),
});

/** Mixtral: the architecture is Llama's, with experts. */
const MIXTRAL: GgufFamily = {
  architecture: "MixtralForCausalLM",
  permuted: true,
  experts: true,
  fields: (meta) => ({ ...expertFields(meta), sliding_window: null }),
};

/** OLMo 3: the architecture is OLMo 2's, with windows. */
const OLMO3: GgufFamily = {
  architecture: "Olmo3ForCausalLM",
  fields: (meta) => ({
    sliding_window: meta.required("attention.sliding_window"),
    layer_types: layerTypes(meta),
  }),
};

/** Granite 3 MoE with an MLP beside the experts. */
const GRANITE_MOE_SHARED: GgufFamily = {
  architecture: "GraniteMoeSharedForCausalLM",
  permuted: true,
  experts: true,
  fields: (meta) => ({
    ...expertFields(meta),
    ...graniteFields(meta),
    shared_intermediate_size: meta.required("expert_shared_feed_forward_length"),
  }),
};

/** GLM-4 9B, converted from the checkpoint of its class. */
const GLM: GgufFamily = {
  architecture: "GlmForCausalLM",
  partial: true,
  fused: FUSED_MLP,
  fields: (meta) => ({ attention_bias: meta.hasBias("attn_q") }),
};

/** GLM-4 9B as first published: queries, keys and values lie in one tensor. */
const GLM_FUSED: GgufFamily = {
  ...GLM,
  fused: {
    "attn_qkv.weight": ["attn.q", "attn.k", "attn.v"],
    "attn_qkv.bias": ["attn.q_bias", "attn.k_bias", "attn.v_bias"],
    ...FUSED_MLP,
  },
  fields: (meta) => ({ attention_bias: meta.hasBias("attn_qkv") }),
};

/** Mistral Small 3: no layer has a window. */
const MISTRAL_SMALL: GgufFamily = {
  architecture: "MistralForCausalLM",
  permuted: true,
  fields: () => ({ sliding_window: null }),
};

/** Ministral 3, whose queries are scaled beyond the original context. */
const MINISTRAL3: GgufFamily = {
  architecture: "Ministral3ForCausalLM",
  permuted: true,
  fields: (meta) => ({
    sliding_window: null,
    rope_scaling: null,
    rope_parameters: {
      rope_type: "yarn",
      rope_theta: meta.number("rope.freq_base") ?? 10000,
      factor: meta.required("rope.scaling.factor"),
      original_max_position_embeddings: meta.required("rope.scaling.original_context_length"),
      beta_fast: meta.number("rope.scaling.yarn_beta_fast") ?? 32,
      beta_slow: meta.number("rope.scaling.yarn_beta_slow") ?? 1,
      mscale: 1,
      mscale_all_dim: meta.number("rope.scaling.yarn_log_multiplier") ?? 0,
      llama_4_scaling_beta: single(meta.required("attention.temperature_scale")),
    },
  }),
};

/** The families by llama.cpp's name of the architecture. */
const FAMILIES: Readonly<Record<string, GgufFamily>> = {
  llama: {
    architecture: "LlamaForCausalLM",
    permuted: true,
    fields: (meta) => ({
      attention_bias: meta.hasBias("attn_q"),
      mlp_bias: meta.hasBias("ffn_up"),
    }),
  },
  smollm3: { architecture: "SmolLM3ForCausalLM", permuted: true },
  qwen2: { architecture: "Qwen2ForCausalLM" },
  qwen2moe: {
    architecture: "Qwen2MoeForCausalLM",
    experts: true,
    fields: (meta) => ({
      ...expertFields(meta),
      moe_intermediate_size: meta.required("expert_feed_forward_length"),
      shared_expert_intermediate_size: meta.required("expert_shared_feed_forward_length"),
    }),
  },
  qwen3: { architecture: "Qwen3ForCausalLM" },
  qwen3moe: {
    architecture: "Qwen3MoeForCausalLM",
    experts: true,
    fields: (meta) => ({
      ...expertFields(meta),
      moe_intermediate_size: meta.required("expert_feed_forward_length"),
      norm_topk_prob: true,
    }),
  },
  olmo2: { architecture: "Olmo2ForCausalLM" },
  olmoe: { architecture: "OlmoeForCausalLM", experts: true, fields: expertFields },
  gemma: { architecture: "GemmaForCausalLM", gainOffset: 1 },
  gemma2: {
    architecture: "Gemma2ForCausalLM",
    gainOffset: 1,
    fields: (meta) => ({
      sliding_window: meta.number("attention.sliding_window") ?? 4096,
      query_pre_attn_scalar: scoreScalar(meta, GEMMA_27B_LAYERS.gemma2),
      attn_logit_softcapping: meta.number("attn_logit_softcapping") ?? 50,
      final_logit_softcapping: meta.number("final_logit_softcapping") ?? 30,
    }),
  },
  gemma3: {
    architecture: "Gemma3ForCausalLM",
    gainOffset: 1,
    fields: (meta) => ({
      sliding_window: meta.required("attention.sliding_window"),
      query_pre_attn_scalar: scoreScalar(meta, GEMMA_27B_LAYERS.gemma3),
      sliding_window_pattern: meta.number("attention.sliding_window_pattern") ?? 6,
      rope_local_base_freq: meta.number("rope.freq_base_swa") ?? 10000,
      final_logit_softcapping: meta.number("final_logit_softcapping"),
    }),
  },
  phi2: {
    architecture: "PhiForCausalLM",
    partial: true,
    layerNorm: "layer_norm_eps",
  },
  phi3: {
    architecture: "Phi3ForCausalLM",
    partial: true,
    fused: { "attn_qkv.weight": ["attn.q", "attn.k", "attn.v"], ...FUSED_MLP },
    fields: (meta) => ({
      sliding_window: meta.number("attention.sliding_window") || null,
      original_max_position_embeddings: meta.number("rope.scaling.original_context_length"),
    }),
  },
  granite: {
    architecture: "GraniteForCausalLM",
    permuted: true,
    fields: (meta) => ({
      ...graniteFields(meta),
      // Granite 4 without states has two widths, of which it uses this one.
      intermediate_size: meta.number("expert_shared_feed_forward_length") ??
        meta.required("feed_forward_length"),
    }),
  },
  granitemoe: {
    architecture: "GraniteMoeForCausalLM",
    permuted: true,
    experts: true,
    fields: (meta) => ({ ...expertFields(meta), ...graniteFields(meta) }),
  },
  lfm2: {
    architecture: "Lfm2ForCausalLM",
    mixed: true,
    finalNorm: "token_embd_norm.weight",
    fields: lfm2Fields,
  },
  lfm2moe: {
    architecture: "Lfm2MoeForCausalLM",
    mixed: true,
    finalNorm: "token_embd_norm.weight",
    experts: true,
    fields: (meta) => ({
      ...expertFields(meta),
      ...lfm2Fields(meta),
      moe_intermediate_size: meta.required("expert_feed_forward_length"),
      num_dense_layers: meta.required("leading_dense_block_count"),
    }),
  },
  ernie4_5: {
    architecture: "Ernie4_5ForCausalLM",
    fields: (meta) => ({ use_bias: meta.hasBias("attn_q") }),
  },
  "ernie4_5-moe": {
    architecture: "Ernie4_5_MoeForCausalLM",
    experts: true,
    fields: (meta) => ({
      moe_num_experts: meta.required("expert_count"),
      moe_k: meta.required("expert_used_count"),
      moe_intermediate_size: meta.required("expert_feed_forward_length"),
      moe_num_shared_experts: meta.number("expert_shared_count") ?? 0,
      moe_layer_start_index: meta.required("leading_dense_block_count"),
      moe_layer_interval: meta.number("interleave_moe_layer_step") ?? 1,
    }),
  },
  "hunyuan-dense": { architecture: "HunYuanDenseV1ForCausalLM" },
  "hunyuan-moe": {
    architecture: "HunYuanMoEV1ForCausalLM",
    experts: true,
    fields: (meta) => ({
      num_experts: meta.required("expert_count"),
      moe_topk: meta.required("expert_used_count"),
    }),
  },
  exaone4: {
    architecture: "Exaone4ForCausalLM",
    fields: (meta) => ({
      sliding_window: meta.number("attention.sliding_window") ?? null,
      layer_types: layerTypes(meta),
    }),
  },
  glm4: {
    architecture: "Glm4ForCausalLM",
    partial: true,
    fused: FUSED_MLP,
    fields: (meta) => ({ attention_bias: meta.hasBias("attn_q") }),
  },
  glm4moe: {
    architecture: "Glm4MoeForCausalLM",
    partial: true,
    stems: MLP_NORM_AFTER,
    experts: true,
    fields: (meta) => {
      const predicting = meta.number("nextn_predict_layers") ?? 0;
      return {
        num_hidden_layers: meta.layers - predicting,
        num_nextn_predict_layers: predicting,
        attention_bias: meta.hasBias("attn_q"),
        use_qk_norm: meta.layersHave("attn_q_norm.weight"),
        moe_intermediate_size: meta.required("expert_feed_forward_length"),
        n_routed_experts: meta.required("expert_count"),
        num_experts_per_tok: meta.required("expert_used_count"),
        n_shared_experts: meta.number("expert_shared_count") ?? 0,
        first_k_dense_replace: meta.required("leading_dense_block_count"),
        routed_scaling_factor: meta.number("expert_weights_scale") ?? 1,
        norm_topk_prob: meta.flag("expert_weights_norm") ?? true,
      };
    },
  },
  stablelm: {
    architecture: "StableLmForCausalLM",
    partial: true,
    layerNorm: "layer_norm_eps",
    fields: (meta) => ({
      use_qkv_bias: meta.hasBias("attn_q"),
      use_parallel_residual: !meta.layersHave("ffn_norm.weight"),
      qk_layernorm: meta.layersHave("attn_q_norm.weight"),
    }),
  },
  "command-r": {
    architecture: "CohereForCausalLM",
    layerNorm: "layer_norm_eps",
    fields: (meta) => ({
      logit_scale: meta.required("logit_scale"),
      use_qk_norm: meta.layersHave("attn_q_norm.weight"),
    }),
  },
  cohere2: {
    architecture: "Cohere2ForCausalLM",
    layerNorm: "layer_norm_eps",
    fields: (meta) => ({
      logit_scale: meta.required("logit_scale"),
      sliding_window: meta.required("attention.sliding_window"),
      layer_types: layerTypes(meta),
    }),
  },
  starcoder2: {
    architecture: "Starcoder2ForCausalLM",
    layerNorm: "norm_epsilon",
    fields: (meta) => ({
      use_bias: meta.hasBias("attn_q"),
      sliding_window: meta.number("attention.sliding_window") ?? null,
    }),
  },
  nemotron: {
    architecture: "NemotronForCausalLM",
    partial: true,
    gainOffset: 1,
    layerNorm: "norm_eps",
  },
  seed_oss: {
    architecture: "SeedOssForCausalLM",
    stems: MLP_NORM_AFTER,
    fields: (meta) => ({
      attention_bias: meta.hasBias("attn_q"),
      attention_out_bias: meta.hasBias("attn_output"),
    }),
  },
  minicpm: {
    architecture: "MiniCPMForCausalLM",
    permuted: true,
    fields: (meta) => ({
      scale_emb: meta.required("embedding_scale"),
      scale_depth: meta.required("residual_scale") * Math.sqrt(meta.layers),
      dim_model_base: meta.required("embedding_length") / meta.required("logit_scale"),
    }),
  },
  "gpt-oss": {
    architecture: "GptOssForCausalLM",
    stems: MLP_NORM_AFTER,
    experts: true,
    fields: (meta) => ({
      ...expertFields(meta),
      sliding_window: meta.required("attention.sliding_window"),
      // What the class stands for; the file's types say how experts are stored.
      quantization_config: { quant_method: "mxfp4" },
    }),
  },
};

/** Architectures whose family depends on what else the file says. */
const NAMED_OTHERWISE = ["chatglm", "mistral3"];

/**
 * The family of a file. Throws OrreryError `model/architecture_unknown`, which lists the
 * known families, and `model/feature_unsupported`.
 */
export function familyOf(meta: Metadata, path: string): GgufFamily {
  const { architecture } = meta;
  if (architecture === "llama" && meta.number("expert_count")) return MIXTRAL;
  if (architecture === "olmo2" && meta.number("attention.sliding_window")) return OLMO3;
  if (architecture === "granitemoe" && meta.number("expert_shared_feed_forward_length")) {
    return GRANITE_MOE_SHARED;
  }
  if (architecture === "mistral3") {
    return meta.number("attention.temperature_scale") ? MINISTRAL3 : MISTRAL_SMALL;
  }
  if (architecture === "chatglm") return meta.layersHave("attn_qkv.weight") ? GLM_FUSED : GLM;
  if (Object.hasOwn(LATENT_FAMILIES, architecture)) return LATENT_FAMILIES[architecture](meta);
  const recurrent = recurrentFamily(meta, path);
  if (recurrent) return recurrent;
  if (Object.hasOwn(FAMILIES, architecture)) return FAMILIES[architecture];
  const known = [FAMILIES, RECURRENT_FAMILIES, LATENT_FAMILIES].flatMap((families) =>
    Object.keys(families)
  );
  throw ggufError(
    "architecture_unknown",
    path,
    `architecture ${architecture} (supported: ${[...known, ...NAMED_OTHERWISE].join(", ")})`,
  );
}
