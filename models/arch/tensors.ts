/**
 * Lists the tensors of a decoder from its geometry, under the names that most families use.
 *
 * @module
 */
import { type Geometry, LLAMA_TENSORS } from "../manifest.ts";
import type { TensorPlan, TensorSpec } from "./architecture.ts";

/**
 * Tensors that only some families have in a layer, key -> name, in addition to
 * {@linkcode LLAMA_TENSORS}.
 */
const OTHER_NAMES: Record<string, string> = {
  "attn.q_norm": "self_attn.q_norm.weight",
  "attn.k_norm": "self_attn.k_norm.weight",
  "attn.q_bias": "self_attn.q_proj.bias",
  "attn.k_bias": "self_attn.k_proj.bias",
  "attn.v_bias": "self_attn.v_proj.bias",
  "attn.o_bias": "self_attn.o_proj.bias",
  "mlp.gate_bias": "mlp.gate_proj.bias",
  "mlp.up_bias": "mlp.up_proj.bias",
  "mlp.down_bias": "mlp.down_proj.bias",
  "attn.sinks": "self_attn.sinks",
  "attn.q_a": "self_attn.q_a_proj.weight",
  "attn.q_a_bias": "self_attn.q_a_proj.bias",
  "attn.q_a_norm": "self_attn.q_a_layernorm.weight",
  "attn.q_b": "self_attn.q_b_proj.weight",
  "attn.kv_a": "self_attn.kv_a_proj_with_mqa.weight",
  "attn.kv_a_bias": "self_attn.kv_a_proj_with_mqa.bias",
  "attn.kv_a_norm": "self_attn.kv_a_layernorm.weight",
  "attn.k_b": "self_attn.kv_b_proj.weight",
  "attn.v_b": "self_attn.kv_b_proj.weight",
  "conv.in": "conv.in_proj.weight",
  "conv.kernel": "conv.conv.weight",
  "conv.out": "conv.out_proj.weight",
  "conv.in_bias": "conv.in_proj.bias",
  "conv.kernel_bias": "conv.conv.bias",
  "conv.out_bias": "conv.out_proj.bias",
  "state.in": "mamba.in_proj.weight",
  "state.in_bias": "mamba.in_proj.bias",
  "state.kernel": "mamba.conv1d.weight",
  "state.kernel_bias": "mamba.conv1d.bias",
  "state.step_bias": "mamba.dt_bias",
  "state.decay": "mamba.A_log",
  "state.skip": "mamba.D",
  "state.norm": "mamba.norm.weight",
  "state.out": "mamba.out_proj.weight",
  "state.out_bias": "mamba.out_proj.bias",
  "mlp.router": "mlp.gate.weight",
  "mlp.router_correction": "mlp.gate.e_score_correction_bias",
  "mlp.shared.gate": "mlp.shared_experts.gate_proj.weight",
  "mlp.shared.up": "mlp.shared_experts.up_proj.weight",
  "mlp.shared.down": "mlp.shared_experts.down_proj.weight",
  "attn_norm_bias": "input_layernorm.bias",
  "mlp_norm_bias": "post_attention_layernorm.bias",
};

/** Names of the norms in families that norm the outputs of attention and MLP only. */
export const afterNormNames: LayerNames = {
  "attn_after_norm": "post_attention_layernorm.weight",
  "mlp_after_norm": "post_feedforward_layernorm.weight",
};

/** Bias of the final norm. */
const FINAL_BIAS = "model.norm.bias";
/** Bias of the LM head. */
const HEAD_BIAS = "lm_head.bias";

/** The norms of a layer that also norms the outputs of attention and MLP, key -> name. */
const SURROUNDING_NORMS: Record<string, string> = {
  "attn_norm": "input_layernorm.weight",
  "attn_after_norm": "post_attention_layernorm.weight",
  "mlp_norm": "pre_feedforward_layernorm.weight",
  "mlp_after_norm": "post_feedforward_layernorm.weight",
};

/** Names of a family's tensors within a layer where they differ, by key. */
export type LayerNames = Readonly<Record<string, string>>;

/**
 * One layer's tensors by key, in the order in which they are stored; `own` are names that differ
 * from those of most families.
 */
export function layerTensors(
  geometry: Geometry,
  layer: number,
  own: LayerNames = {},
): Map<string, TensorSpec> {
  const { hidden, intermediate, heads, kv_heads, head_dim, attention, mlp, norms, parallel } =
    geometry;
  const { experts } = geometry;
  const before = norms?.before !== false;
  const gated = mlp?.gated !== false;
  const sparse = hasExperts(geometry, layer);
  const dense = hasMlp(geometry, layer) && !sparse;
  const width = experts?.dense && dense ? experts.dense.intermediate : intermediate;
  const convolved = hasConvolution(geometry, layer);
  const recurrent = hasRecurrence(geometry, layer);
  const attends = hasAttention(geometry, layer);
  const shapes: Record<string, number[]> = {
    ...(before && hasMixer(geometry, layer) && { "attn_norm": [hidden] }),
    ...(convolved && convolutionShapes(geometry)),
    ...(recurrent && recurrenceShapes(geometry)),
    ...(attends && attention?.latent && latentShapes(geometry)),
    ...(attends && !attention?.latent && {
      "attn.q": [heads * head_dim, hidden],
      "attn.k": [kv_heads * head_dim, hidden],
      "attn.v": [kv_heads * head_dim, hidden],
      "attn.o": [hidden, heads * head_dim],
      ...(attention?.gate && { "attn.gate": [heads * head_dim, hidden] }),
    }),
    ...(before && !parallel && (dense || sparse) && { "mlp_norm": [hidden] }),
    ...(dense && gated && { "mlp.gate": [width, hidden] }),
    ...(dense && { "mlp.up": [width, hidden], "mlp.down": [hidden, width] }),
    ...(sparse && expertShapes(geometry)),
  };
  if (norms?.bias) {
    for (const key of ["attn_norm", "mlp_norm"]) if (shapes[key]) shapes[`${key}_bias`] = [hidden];
  }
  if (norms?.after) {
    for (const key of ["attn_after_norm", "mlp_after_norm"]) shapes[key] = [hidden];
  }
  if (attention?.qk_norm && attends) {
    const all = attention.qk_norm === "all";
    shapes["attn.q_norm"] = [all ? heads * head_dim : head_dim];
    shapes["attn.k_norm"] = [all ? kv_heads * head_dim : head_dim];
  }
  for (const part of attends && attention?.bias ? biased(attention) : []) {
    if (shapes[`attn.${part}`]) shapes[`attn.${part}_bias`] = [shapes[`attn.${part}`][0]];
  }
  if (attention?.sinks && attends) shapes["attn.sinks"] = [heads];
  if (mlp?.bias && dense) {
    for (const part of ["gate", "up", "down"]) {
      if (shapes[`mlp.${part}`]) shapes[`mlp.${part}_bias`] = [shapes[`mlp.${part}`][0]];
    }
  }
  const names: Record<string, string> = {
    ...LLAMA_TENSORS.layer,
    ...OTHER_NAMES,
    ...(norms?.after ? SURROUNDING_NORMS : {}),
    ...own,
  };
  return new Map(
    Object.entries(shapes).map(([key, shape]) => [key, {
      key,
      name: `model.layers.${layer}.${names[key] ?? key}`,
      shape,
      role: roleOf(key, shape),
      // Checkpoints have a dimension more in the middle, of the inputs of a channel: one.
      ...(key.endsWith(".kernel") && { within: { shape: [shape[0], 1, shape[1]], firstRow: 0 } }),
    }]),
  );
}

/** Whether the layer (0-based) has attention, a convolution or a recurrence. */
export const hasMixer = ({ alone }: Geometry, layer: number): boolean =>
  !alone?.mlp.includes(layer);

/** Whether the layer (0-based) has an MLP or a mixture of experts. */
export const hasMlp = ({ alone }: Geometry, layer: number): boolean =>
  !alone?.mixer.includes(layer);

/** Whether the layer (0-based) has a mixture of experts and not one MLP. */
export const hasExperts = (geometry: Geometry, layer: number): boolean =>
  geometry.experts !== undefined && hasMlp(geometry, layer) &&
  !geometry.experts.dense?.layers.includes(layer);

/** Whether the layer (0-based) has a convolution in place of attention. */
export const hasConvolution = ({ convolution }: Geometry, layer: number): boolean =>
  convolution?.layers.includes(layer) ?? false;

/** Whether the layer (0-based) has a recurrent state in place of attention. */
export const hasRecurrence = ({ recurrence }: Geometry, layer: number): boolean =>
  recurrence?.layers.includes(layer) ?? false;

/** Whether the layer (0-based) has attention, be it beside a recurrent state. */
export const hasAttention = (geometry: Geometry, layer: number): boolean =>
  hasMixer(geometry, layer) && !hasConvolution(geometry, layer) &&
  (!hasRecurrence(geometry, layer) || geometry.recurrence!.beside !== undefined);

/** Parts of attention with a bias where it has some. */
const biased = ({ bias, latent }: NonNullable<Geometry["attention"]>): readonly string[] =>
  latent ? ["q_a", "kv_a", "o"] : [...bias!];

/** Shapes of latent attention: of `k_b` and `v_b`, the matrices of all heads below each other. */
function latentShapes(
  { hidden, heads, head_dim, rope, attention }: Geometry,
): Record<string, number[]> {
  const { rank, value, query_rank } = attention!.latent!;
  const rotated = rope.dims!;
  return {
    ...(query_rank === undefined ? { "attn.q": [heads * head_dim, hidden] } : {
      "attn.q_a": [query_rank, hidden],
      "attn.q_a_norm": [query_rank],
      "attn.q_b": [heads * head_dim, query_rank],
    }),
    "attn.kv_a": [rank + rotated, hidden],
    "attn.kv_a_norm": [rank],
    "attn.k_b": [heads * rank, head_dim - rotated],
    "attn.v_b": [heads * value, rank],
    "attn.o": [hidden, heads * value],
  };
}

/** Channels of the convolution before a recurrence: what is written, and what reads and writes. */
export const recurrenceChannels = (
  { heads, head_dim, groups, state }: NonNullable<Geometry["recurrence"]>,
): number => heads * head_dim + 2 * groups * state;

/** Shapes of a recurrence, its convolution and its projections. */
function recurrenceShapes({ hidden, recurrence }: Geometry): Record<string, number[]> {
  const { rule, heads, head_dim, kernel, kernel_bias, bias, norm } = recurrence!;
  const width = heads * head_dim;
  const channels = recurrenceChannels(recurrence!);
  const delta = rule === "delta";
  return {
    "state.in": [delta ? channels : width + channels + heads, hidden],
    ...(delta && {
      "state.gate": [width, hidden],
      "state.write": [heads, hidden],
      "state.step": [heads, hidden],
    }),
    "state.kernel": [channels, kernel],
    "state.step_bias": [heads],
    "state.decay": [heads],
    ...(!delta && { "state.skip": [heads] }),
    ...(norm !== "none" && { "state.norm": [delta ? head_dim : width] }),
    "state.out": [hidden, width],
    ...(kernel_bias && { "state.kernel_bias": [channels] }),
    ...(bias && { "state.in_bias": [width + channels + heads], "state.out_bias": [hidden] }),
  };
}

/** Shapes of a convolution, its projections and their biases. */
function convolutionShapes({ hidden, convolution }: Geometry): Record<string, number[]> {
  const { kernel, bias } = convolution!;
  return {
    "conv.in": [3 * hidden, hidden],
    "conv.kernel": [hidden, kernel],
    "conv.out": [hidden, hidden],
    ...(bias && {
      "conv.in_bias": [3 * hidden],
      "conv.kernel_bias": [hidden],
      "conv.out_bias": [hidden],
    }),
  };
}

/** Shapes of the router and of the projections of all experts, one below the other. */
function expertShapes(
  { hidden, intermediate, experts, mlp }: Geometry,
): Record<string, number[]> {
  const { count, bias, correction, shared } = experts!;
  const first = mlp?.gated === false ? ["up"] : ["gate", "up"];
  const shapes: Record<string, number[]> = { "mlp.router": [count, hidden] };
  if (bias) shapes["mlp.router_bias"] = [count];
  if (correction) shapes["mlp.router_correction"] = [count];
  for (const part of [...first, "down"]) {
    const [rows, inputs] = part === "down" ? [hidden, intermediate] : [intermediate, hidden];
    shapes[`mlp.experts.${part}`] = [count * rows, inputs];
    if (mlp?.bias) shapes[`mlp.experts.${part}_bias`] = [count * rows];
  }
  if (shared) {
    for (const part of first) shapes[`mlp.shared.${part}`] = [shared.intermediate, hidden];
    shapes["mlp.shared.down"] = [hidden, shared.intermediate];
    if (shared.weighed) shapes["mlp.shared.router"] = [1, hidden];
  }
  return shapes;
}

/** Matrices of so few rows that they are not quantised. */
const ROUTERS = ["mlp.router", "mlp.shared.router", "state.write", "state.step"];

/** Tensors with a projection of each head. */
const OF_HEADS = ["attn.k_b", "attn.v_b"];

function roleOf(key: string, shape: number[]): TensorSpec["role"] {
  if (shape.length === 1) return "norm";
  if (ROUTERS.includes(key)) return "router";
  if (key === "conv.kernel" || key === "state.kernel") return "kernel";
  return key.startsWith("mlp.experts.") || OF_HEADS.includes(key) ? "projections" : "projection";
}

/**
 * All tensors of a model with this geometry; `own` as in {@linkcode layerTensors}, `finalNorm` is
 * the name of the norm after the last layer.
 */
export function decoderTensors(
  geometry: Geometry,
  own?: LayerNames,
  finalNorm: string = LLAMA_TENSORS.head.norm,
): TensorPlan {
  const { hidden, vocab, layers, norms } = geometry;
  const { embed } = LLAMA_TENSORS.embedding;
  const lmHead = geometry.tied_embeddings ? embed : LLAMA_TENSORS.head.lm_head;
  return {
    embedding: [{ key: "embed", name: embed, shape: [vocab, hidden], role: "vocabulary" }],
    layers: Array.from(
      { length: layers },
      (_, layer) => [...layerTensors(geometry, layer, own).values()],
    ),
    head: [
      { key: "norm", name: finalNorm, shape: [hidden], role: "norm" },
      ...(norms?.bias
        ? [{ key: "norm_bias", name: FINAL_BIAS, shape: [hidden], role: "norm" as const }]
        : []),
      { key: "lm_head", name: lmHead, shape: [vocab, hidden], role: "vocabulary" },
      ...(geometry.head_bias
        ? [{ key: "lm_head_bias", name: HEAD_BIAS, shape: [vocab], role: "norm" as const }]
        : []),
    ],
  };
}
