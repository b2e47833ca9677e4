/**
 * The families with recurrent layers in GGUF files.
 *
 * Mamba 2 (Granite 4 H, Bamba, Falcon H1, Nemotron H): the converter takes the negative exponential of the
 * decays and else leaves the tensors as they are. In Falcon H1 all factors of config.json are
 * multiplied into the weights, which is why they are 1 here.
 *
 * The gated delta rule (Qwen3-Next, Qwen 3.5): the same decays, and 1 is added to the gains of all
 * norms but those of the states. The projections of Qwen3-Next are taken apart, those of Qwen 3.5
 * already are, but its value heads are reordered (see {@linkcode untiled}). Their metadata also
 * hold the sections of positions in pictures, which are one for all dimensions in a text.
 *
 * @module
 */
import type { TensorSpec } from "../arch/mod.ts";
import type { Geometry } from "../manifest.ts";
import { ggufError } from "./gguf.ts";
import { expertFields, type GgufFamily, graniteFields } from "./gguf_family.ts";
import type { Metadata } from "./gguf_metadata.ts";

/** Elements of a head of a state. */
const stateHeadDim = (meta: Metadata): number => meta.share("ssm.inner_size", "ssm.time_step_rank");

/** Fields of the Mamba 2 layers. */
const mambaFields = (meta: Metadata) => ({
  mamba_n_heads: meta.required("ssm.time_step_rank"),
  mamba_d_head: stateHeadDim(meta),
  mamba_n_groups: meta.required("ssm.group_count"),
  mamba_d_state: meta.required("ssm.state_size"),
  mamba_d_conv: meta.required("ssm.conv_kernel"),
  mamba_expand: meta.required("ssm.inner_size") / meta.required("embedding_length"),
  mamba_conv_bias: meta.hasBias("ssm_conv1d"),
  mamba_proj_bias: meta.hasBias("ssm_in"),
});

/** Whether each layer has attention, which is where it has heads of keys and values. */
const attends = (meta: Metadata): boolean[] =>
  meta.numbers("attention.head_count_kv").map((heads) => heads > 0);

/** Granite 4 with states in most layers. A file of one without them is `granite`. */
const GRANITE_HYBRID: GgufFamily = {
  architecture: "GraniteMoeHybridForCausalLM",
  permuted: true,
  experts: true,
  mixed: true,
  stems: { "state.in": "ssm_in" },
  fields: (meta) => ({
    ...graniteFields(meta),
    ...mambaFields(meta),
    layer_types: attends(meta).map((attention) => attention ? "attention" : "mamba"),
    position_embedding_type: meta.flag("rope.scaling.finetuned") ? "rope" : "nope",
    num_local_experts: meta.number("expert_count") ?? 0,
    num_experts_per_tok: meta.number("expert_used_count") ?? 0,
    shared_intermediate_size: meta.number("expert_shared_feed_forward_length") ??
      meta.required("feed_forward_length"),
  }),
};

/** Bamba, which llama.cpp also calls `granitehybrid`; it rotates, and scores have no factor. */
const BAMBA: GgufFamily = {
  architecture: "BambaForCausalLM",
  permuted: true,
  partial: true,
  mixed: true,
  stems: { "state.in": "ssm_in" },
  fields: (meta) => ({
    ...mambaFields(meta),
    attention_bias: meta.hasBias("attn_q"),
    mlp_bias: meta.hasBias("ffn_up"),
    attn_layer_indices: attends(meta).flatMap((attention, layer) => attention ? [layer] : []),
  }),
};

const FALCON_H1: GgufFamily = {
  architecture: "FalconH1ForCausalLM",
  stems: { "state.in": "ssm_in" },
  names: { "mlp_norm": "ffn_norm" },
  fields: (meta) => ({
    ...mambaFields(meta),
    mamba_d_ssm: meta.required("ssm.inner_size"),
    mamba_rms_norm: meta.layersHave("ssm_norm.weight"),
    mamba_norm_before_gate: false, // not in the file; llama.cpp norms after the gate
    attention_bias: meta.hasBias("attn_q"),
    mlp_bias: meta.hasBias("ffn_up"),
  }),
};

/**
 * What a layer of a Nemotron H is, which is one half alone. The metadata do not tell experts from an
 * MLP, so its tensors say.
 */
function nemotronKind(meta: Metadata, layer: number): string {
  const has = (tensor: string) => meta.has(`blk.${layer}.${tensor}.weight`);
  if (has("ssm_in")) return "linear_attention";
  if (has("attn_q")) return "full_attention";
  return has("ffn_gate_inp") ? "moe" : "mlp";
}

/** Nemotron H, with experts too. */
const NEMOTRON_H: GgufFamily = {
  architecture: "NemotronHForCausalLM",
  permuted: true,
  experts: true,
  mixed: true,
  partial: true,
  stems: { "state.in": "ssm_in", "mlp_norm": "attn_norm" },
  fields(meta) {
    const predicting = meta.number("nextn_predict_layers") ?? 0;
    const widths = meta.numbers("feed_forward_length");
    const kinds = widths.slice(0, widths.length - predicting).map((_, layer) =>
      nemotronKind(meta, layer)
    );
    return {
      num_hidden_layers: kinds.length,
      num_nextn_predict_layers: predicting,
      layers_block_type: kinds,
      intermediate_size: Math.max(1, ...widths.filter((_, layer) => kinds[layer] === "mlp")),
      partial_rotary_factor: undefined, // no layer rotates, whatever rope.dimension_count says
      layer_norm_epsilon: meta.epsilon,
      mamba_num_heads: meta.required("ssm.time_step_rank"),
      mamba_head_dim: stateHeadDim(meta),
      ssm_state_size: meta.required("ssm.state_size"),
      n_groups: meta.required("ssm.group_count"),
      conv_kernel: meta.required("ssm.conv_kernel"),
      use_conv_bias: meta.hasBias("ssm_conv1d"),
      use_bias: meta.hasBias("ssm_in"),
      mlp_bias: meta.hasBias("ffn_up"),
      ...(meta.number("expert_count") && {
        n_routed_experts: meta.required("expert_count"),
        num_experts_per_tok: meta.required("expert_used_count"),
        moe_intermediate_size: meta.required("expert_feed_forward_length"),
        moe_shared_expert_intermediate_size: meta.required("expert_shared_feed_forward_length"),
        moe_latent_size: meta.number("moe_latent_size"),
        routed_scaling_factor: meta.number("expert_weights_scale") ?? 1,
        norm_topk_prob: meta.flag("expert_weights_norm") ?? true,
        n_group: meta.number("expert_group_count") ?? 1,
        topk_group: meta.number("expert_group_used_count") ?? 1,
      }),
    };
  },
};

/** Of how many layers one has attention, where the file does not say. */
const INTERVAL = 4;

/**
 * Fields of the layers with the delta rule. The last blocks may be layers that only predict further
 * tokens.
 */
function deltaFields(meta: Metadata): Record<string, unknown> {
  const predicting = meta.number("nextn_predict_layers") ?? 0;
  const layers = meta.layers - predicting;
  const interval = meta.number("full_attention_interval") ?? INTERVAL;
  const recurrent = meta.flags("attention.recurrent_layers") ??
    Array.from({ length: layers }, (_, layer) => (layer + 1) % interval !== 0);
  return {
    num_hidden_layers: layers,
    num_nextn_predict_layers: predicting,
    layer_types: recurrent.slice(0, layers).map((state) =>
      state ? "linear_attention" : "full_attention"
    ),
    linear_num_value_heads: meta.required("ssm.time_step_rank"),
    linear_value_head_dim: stateHeadDim(meta),
    linear_num_key_heads: meta.required("ssm.group_count"),
    linear_key_head_dim: meta.required("ssm.state_size"),
    linear_conv_kernel_dim: meta.required("ssm.conv_kernel"),
  };
}

/** Fields of a mixture of experts beside an MLP whose output is weighed. */
const weighedExpertFields = (meta: Metadata) => ({
  ...expertFields(meta),
  moe_intermediate_size: meta.required("expert_feed_forward_length"),
  shared_expert_intermediate_size: meta.required("expert_shared_feed_forward_length"),
  norm_topk_prob: true,
});

const DELTA = {
  partial: true,
  gainOffset: 1,
  stems: { "state.in": "attn_qkv", "mlp_norm": "post_attention_norm" },
} as const;

/** Queries of a head and its gates behind each other, as in the checkpoint. */
const GATED_QUERIES = { "self_attn.q_proj.weight": "attn_q.weight" };

const QWEN3_NEXT: GgufFamily = {
  ...DELTA,
  architecture: "Qwen3NextForCausalLM",
  experts: true,
  kept: { ...GATED_QUERIES, "linear_attn.in_proj_ba.weight": "ssm_ba.weight" },
  fields: (meta) => ({ ...deltaFields(meta), ...weighedExpertFields(meta) }),
};

/** Qwen3-Next from early converters, which left queries, keys, values and gates in one tensor. */
const EARLY_QWEN3_NEXT: GgufFamily = {
  ...QWEN3_NEXT,
  kept: { ...QWEN3_NEXT.kept, "linear_attn.in_proj_qkvz.weight": "ssm_in.weight" },
};

const QWEN3_5: GgufFamily = {
  ...DELTA,
  architecture: "Qwen3_5ForCausalLM",
  kept: GATED_QUERIES,
  arranged: untiled,
  fields: deltaFields,
};

const QWEN3_5_MOE: GgufFamily = {
  ...QWEN3_5,
  architecture: "Qwen3_5MoeForCausalLM",
  experts: true,
  fields: QWEN3_NEXT.fields,
};

/** The greatest common divisor. */
const divisor = (a: number, b: number): number => b === 0 ? a : divisor(b, a % b);

/**
 * A tensor of a recurrence whose value heads llama.cpp reordered: the checkpoint has those of a key
 * head behind each other, the file the first of each key head, then the second of each, and so on.
 */
function untiled(spec: TensorSpec, { recurrence }: Geometry): TensorSpec {
  if (!recurrence || recurrence.groups === recurrence.heads) return spec;
  const { heads, head_dim, groups, state } = recurrence;
  const each = heads / groups;
  /** Numbers in the file of the heads in the order of the checkpoint. */
  const from = Array.from(
    { length: heads },
    (_, head) => head % each * groups + Math.floor(head / each),
  );
  /** The rows of all heads, `rows` each, behind `before` rows that are not reordered. */
  const byHead = (rows: number, before = 0): TensorSpec => {
    const unit = divisor(rows, before);
    const units = (first: number, count: number) =>
      Array.from({ length: count / unit }, (_, i) => first + i * unit);
    const firsts = [
      ...units(0, before),
      ...from.flatMap((head) => units(before + head * rows, rows)),
    ];
    const { name, shape } = spec;
    return {
      ...spec,
      stacked: firsts.map((firstRow) => ({ name, within: { shape, firstRow } })),
    };
  };
  switch (spec.key) {
    case "state.in":
    case "state.kernel":
      return byHead(head_dim, 2 * groups * state);
    case "state.gate":
      return byHead(head_dim);
    case "state.write":
    case "state.step":
    case "state.step_bias":
    case "state.decay":
      return byHead(1);
    case "state.out":
      return { ...spec, columns: { width: head_dim, from } };
    default:
      return spec;
  }
}

/** The families with recurrent layers by llama.cpp's name of the architecture. */
export const RECURRENT_FAMILIES: Readonly<Record<string, GgufFamily>> = {
  granitehybrid: GRANITE_HYBRID,
  "falcon-h1": FALCON_H1,
  nemotron_h: NEMOTRON_H,
  nemotron_h_moe: NEMOTRON_H,
  qwen3next: QWEN3_NEXT,
  qwen35: QWEN3_5,
  qwen35moe: QWEN3_5_MOE,
};

/**
 * The family of a file with recurrent layers; undefined: its architecture is none of these. Throws
 * OrreryError `model/feature_unsupported`.
 */
export function recurrentFamily(meta: Metadata, path: string): GgufFamily | undefined {
  const { architecture } = meta;
  if (architecture === "falcon-h1" && !meta.has("output.weight")) {
    throw ggufError(
      "feature_unsupported",
      path,
      "Falcon H1 without an LM head of its own, whose factor the file does not have: add the " +
        "checkpoint's folder",
    );
  }
  if (
    architecture === "granitehybrid" && meta.number("attention.scale") === undefined &&
    meta.flag("rope.scaling.finetuned")
  ) return BAMBA;
  if (architecture === "qwen3next" && meta.layersHave("ssm_in.weight")) return EARLY_QWEN3_NEXT;
  return Object.hasOwn(RECURRENT_FAMILIES, architecture)
    ? RECURRENT_FAMILIES[architecture]
    : undefined;
}
