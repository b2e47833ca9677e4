/**
 * Where the tensors of a model stand in a GGUF file: llama.cpp gives them the same names in nearly
 * all families.
 *
 * @module
 */
import { type FusedNames, fusedTensors, type TensorPlan, type TensorSpec } from "../arch/mod.ts";
import type { Geometry } from "../manifest.ts";

/** Names within a layer by the key of the tensor. */
export type GgufNames = Readonly<Record<string, string>>;

/** Stems of the matrices and norms of a layer, by key; a bias has the same stem. */
const STEMS: GgufNames = {
  "attn_norm": "attn_norm",
  "attn.q": "attn_q",
  "attn.k": "attn_k",
  "attn.v": "attn_v",
  "attn.o": "attn_output",
  "attn.q_norm": "attn_q_norm",
  "attn.k_norm": "attn_k_norm",
  "attn.sinks": "attn_sinks",
  "attn_after_norm": "post_attention_norm",
  "mlp_norm": "ffn_norm",
  "mlp.gate": "ffn_gate",
  "mlp.up": "ffn_up",
  "mlp.down": "ffn_down",
  "mlp_after_norm": "post_ffw_norm",
  "mlp.router": "ffn_gate_inp",
  "mlp.experts.gate": "ffn_gate_exps",
  "mlp.experts.up": "ffn_up_exps",
  "mlp.experts.down": "ffn_down_exps",
  "mlp.shared.gate": "ffn_gate_shexp",
  "mlp.shared.up": "ffn_up_shexp",
  "mlp.shared.down": "ffn_down_shexp",
  "mlp.shared.router": "ffn_gate_inp_shexp",
  "conv.in": "shortconv.in_proj",
  "conv.kernel": "shortconv.conv",
  "conv.out": "shortconv.out_proj",
  "state.gate": "attn_gate",
  "state.write": "ssm_beta",
  "state.step": "ssm_alpha",
  "state.kernel": "ssm_conv1d",
  "state.norm": "ssm_norm",
  "state.out": "ssm_out",
};

/** Whole names of tensors whose names follow no rule. */
const NAMES: GgufNames = {
  "mlp.router_correction": "exp_probs_b.bias",
  "state.step_bias": "ssm_dt.bias",
  "state.decay": "ssm_a",
  "state.skip": "ssm_d",
};

/** Names of the tensors outside the layers. */
const TOP: GgufNames = {
  "embed": "token_embd.weight",
  "norm": "output_norm.weight",
  "norm_bias": "output_norm.bias",
  "lm_head": "output.weight",
  "lm_head_bias": "output.bias",
};

/** How a family differs. */
export interface GgufPlaces {
  /** Stems of tensors in a layer, by key. @default as in most families */
  stems?: GgufNames;
  /** Whole names of tensors in a layer, by key. @default as in most families */
  names?: GgufNames;
  /** Name of the final norm. @default "output_norm.weight" */
  finalNorm?: string;
  /** Tensors that hold several others below each other, see `FusedNames`. @default none */
  fused?: FusedNames;
  /**
   * Tensors in a layer that hold several others and that the converter left as they are, by their
   * name in a checkpoint's layer. @default none
   */
  kept?: GgufNames;
  /** Where the rows and columns of a tensor in a layer stand. @default as in the checkpoint */
  arranged?(spec: TensorSpec, geometry: Geometry): TensorSpec;
}

/** A model in a GGUF file. */
interface PlacedModel {
  geometry: Geometry;
  places: GgufPlaces;
  /** Whether the file has a tensor of this name. */
  has(name: string): boolean;
}

/** The plan of a model whose tensors stand in a GGUF file. */
export function planInGguf(plan: TensorPlan, model: PlacedModel): TensorPlan {
  const { geometry, places: { finalNorm, fused } } = model;
  const top: GgufNames = { ...TOP, ...(finalNorm && { norm: finalNorm }) };
  const named = (spec: TensorSpec): TensorSpec => {
    const tied = spec.key === "lm_head" && geometry.tied_embeddings;
    return plain(spec, top[tied ? "embed" : spec.key] ?? spec.name);
  };
  const layers = plan.layers.map((specs, layer) =>
    specs.map((spec) => inLayer(spec, layer, model))
  );
  const placed = {
    embedding: plan.embedding.map(named),
    layers,
    head: plan.head.map(named),
  };
  return fused ? fusedTensors(placed, fused, (layer) => `blk.${layer}.`) : placed;
}

/** A tensor of a layer. */
function inLayer(spec: TensorSpec, layer: number, model: PlacedModel): TensorSpec {
  const { geometry, places } = model;
  const prefix = `blk.${layer}.`;
  const kept = places.kept?.[spec.name.replace(/^model\.layers\.\d+\./, "")];
  if (kept && spec.stacked) {
    const name = `${prefix}${kept}`;
    return { ...spec, name, stacked: spec.stacked.map((part) => ({ ...part, name })) };
  }
  const moved = plain(spec, `${prefix}${nameOf(spec.key, places)}`);
  return spec.key.startsWith("mlp.experts.")
    ? ofExperts(moved, `${prefix}ffn_gate_up_exps.weight`, model)
    : places.arranged?.(moved, geometry) ?? moved;
}

/**
 * A projection of all experts of a layer, [experts, out, in]; `fused` is the name of the tensor that
 * may hold gate and up, of each expert behind each other.
 */
function ofExperts(spec: TensorSpec, fused: string, { geometry, has }: PlacedModel): TensorSpec {
  const { count } = geometry.experts!;
  const [all, ...columns] = spec.shape;
  const rows = all / count;
  const half = ["mlp.experts.gate", "mlp.experts.up"].indexOf(spec.key);
  if (half < 0 || !has(fused)) {
    return { ...spec, within: { shape: [count, rows, ...columns], firstRow: 0 } };
  }
  const shape = [count, 2 * rows, ...columns];
  const stacked = Array.from({ length: count }, (_, expert) => ({
    name: fused,
    within: { shape, firstRow: (2 * expert + half) * rows },
  }));
  return { ...spec, name: fused, stacked };
}

/** The tensor as one of its own, of this name. */
const plain = ({ key, shape, role }: TensorSpec, name: string): TensorSpec => ({
  key,
  name,
  shape,
  role,
});

/** The name within a layer of the tensor with this key. */
function nameOf(key: string, { stems, names }: GgufPlaces): string {
  const whole = names?.[key] ?? NAMES[key];
  if (whole) return whole;
  const matrix = key.replace(/_bias$/, "");
  const stem = stems?.[matrix] ?? STEMS[matrix] ?? matrix;
  return `${stem}.${matrix === key ? "weight" : "bias"}`;
}
