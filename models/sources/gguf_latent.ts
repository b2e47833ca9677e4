/**
 * The families with latent attention in GGUF files. llama.cpp keeps the same numbers of a row as an
 * arena here, so its converter takes the matrices of keys and values apart, those of keys turned.
 * Older files have both in one tensor, as checkpoints do.
 *
 * @module
 */
import type { TensorSpec } from "../arch/mod.ts";
import type { Geometry } from "../manifest.ts";
import type { GgufFamily } from "./gguf_family.ts";
import { type Metadata, single } from "./gguf_metadata.ts";
import type { GgufNames } from "./gguf_names.ts";

const STEMS: GgufNames = {
  "attn.q_a": "attn_q_a",
  "attn.q_a_norm": "attn_q_a_norm",
  "attn.q_b": "attn_q_b",
  "attn.kv_a": "attn_kv_a_mqa",
  "attn.kv_a_norm": "attn_kv_a_norm",
  "attn.k_b": "attn_k_b",
  "attn.v_b": "attn_v_b",
};

/** Keys' and values' matrices in one tensor. */
const JOINED = "attn_kv_b.weight";

/** `expert_gating_func` of routers whose scores are sigmoids. */
const SIGMOID = 2;

/** The matrices of all heads in tensors of their own, [heads, out, in]. */
function apart(spec: TensorSpec, { heads }: Geometry): TensorSpec {
  if (spec.key !== "attn.k_b" && spec.key !== "attn.v_b") return spec;
  const [rows, columns] = spec.shape;
  return { ...spec, within: { shape: [heads, rows / heads, columns], firstRow: 0 } };
}

/** What all families of this kind say of their tensors. */
const places = (meta: Metadata): Pick<GgufFamily, "latent" | "stems" | "kept" | "arranged"> => ({
  latent: true,
  stems: STEMS,
  ...(meta.layersHave(JOINED)
    ? { kept: { "self_attn.kv_b_proj.weight": JOINED } }
    : { arranged: apart }),
});

/** The sizes of latent attention. */
function latentFields(meta: Metadata): Record<string, unknown> {
  const rotated = meta.required("rope.dimension_count");
  const query = meta.number("attention.key_length_mla") ?? meta.headDim;
  return {
    // Files say 1 where the matrices stand apart.
    num_key_value_heads: meta.required("attention.head_count"),
    q_lora_rank: meta.number("attention.q_lora_rank") || null,
    kv_lora_rank: meta.required("attention.kv_lora_rank"),
    qk_rope_head_dim: rotated,
    qk_nope_head_dim: query - rotated,
    attention_bias: meta.hasBias("attn_kv_a_mqa"),
  };
}

/**
 * The field rope_scaling of a scaling by YaRN. Files have one factor of the scores alone, which is
 * right where `mscale` and `mscale_all_dim` are equal: what rotation would have of them is 1 then.
 */
function yarnFields(meta: Metadata): Record<string, unknown> {
  if (meta.text("rope.scaling.type") !== "yarn") return {};
  const logarithm = meta.number("rope.scaling.yarn_log_multiplier");
  const weight = logarithm && single(10 * logarithm);
  const fields = {
    rope_type: "yarn",
    factor: meta.required("rope.scaling.factor"),
    original_max_position_embeddings: meta.required("rope.scaling.original_context_length"),
    attention_factor: meta.number("rope.scaling.yarn_attn_factor"),
    beta_fast: meta.number("rope.scaling.yarn_beta_fast"),
    beta_slow: meta.number("rope.scaling.yarn_beta_slow"),
    ...(weight && { mscale: weight, mscale_all_dim: weight }),
  };
  const stated = Object.entries(fields).filter(([, value]) => value !== undefined);
  return { rope_scaling: Object.fromEntries(stated) };
}

/** DeepSeek V2 and V3 and what is built like them: the router's scores tell them apart. */
function deepseek(meta: Metadata): GgufFamily {
  const sigmoid = meta.number("expert_gating_func") === SIGMOID;
  return {
    ...places(meta),
    architecture: sigmoid ? "DeepseekV3ForCausalLM" : "DeepseekV2ForCausalLM",
    experts: true,
    fields: () => {
      const groups = meta.number("expert_group_count") ?? 1;
      return {
        ...latentFields(meta),
        ...yarnFields(meta),
        v_head_dim: meta.number("attention.value_length_mla") ??
          meta.required("attention.value_length"),
        moe_intermediate_size: meta.required("expert_feed_forward_length"),
        n_routed_experts: meta.required("expert_count"),
        num_experts_per_tok: meta.required("expert_used_count"),
        n_shared_experts: meta.number("expert_shared_count") ?? 0,
        first_k_dense_replace: meta.required("leading_dense_block_count"),
        routed_scaling_factor: single(meta.number("expert_weights_scale") ?? 1),
        norm_topk_prob: meta.flag("expert_weights_norm") ?? false,
        n_group: groups,
        topk_group: meta.number("expert_group_used_count") ?? 1,
        ...(!sigmoid && { topk_method: groups > 1 ? "group_limited_greedy" : "greedy" }),
      };
    },
  };
}

/** MiniCPM 3, whose factors no file states: they are the class's. */
const minicpm3 = (meta: Metadata): GgufFamily => ({
  ...places(meta),
  architecture: "MiniCPM3ForCausalLM",
  fields: latentFields,
});

/** The families by llama.cpp's name of the architecture. */
export const LATENT_FAMILIES: Readonly<Record<string, (meta: Metadata) => GgufFamily>> = {
  deepseek2: deepseek,
  minicpm3,
};
