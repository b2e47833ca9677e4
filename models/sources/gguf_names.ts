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
};

/** Whole names of tensors whose names follow no rule. */
const NAMES: GgufNames = { "mlp.router_correction": "exp_probs_b.bias" };

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
  /** Name of the final norm. @default "output_norm.weight" */
  finalNorm?: string;
  /** Tensors that hold several others below each other, see `FusedNames`. @default none */
  fused?: FusedNames;
}

/** The plan of a model whose tensors stand in a GGUF file. */
export function planInGguf(
  plan: TensorPlan,
  geometry: Geometry,
  { stems = {}, finalNorm, fused }: GgufPlaces,
): TensorPlan {
  const top: GgufNames = { ...TOP, ...(finalNorm && { norm: finalNorm }) };
  const named = (spec: TensorSpec): TensorSpec => {
    const tied = spec.key === "lm_head" && geometry.tied_embeddings;
    return plain(spec, top[tied ? "embed" : spec.key] ?? spec.name);
  };
  const layers = plan.layers.map((specs, layer) =>
    specs.map((spec) => {
      const name = `blk.${layer}.${nameOf(spec.key, stems)}`;
      if (!spec.key.startsWith("mlp.experts.")) return plain(spec, name);
      const { count } = geometry.experts!;
      const [rows, ...columns] = spec.shape;
      return {
        ...plain(spec, name),
        within: { shape: [count, rows / count, ...columns], firstRow: 0 },
      };
    })
  );
  const placed = {
    embedding: plan.embedding.map(named),
    layers,
    head: plan.head.map(named),
  };
  return fused ? fusedTensors(placed, fused, (layer) => `blk.${layer}.`) : placed;
}

/** The tensor as one of its own, of this name. */
const plain = ({ key, shape, role }: TensorSpec, name: string): TensorSpec => ({
  key,
  name,
  shape,
  role,
});

function nameOf(key: string, own: GgufNames): string {
  if (NAMES[key]) return NAMES[key];
  const matrix = key.replace(/_bias$/, "");
  const stem = own[matrix] ?? STEMS[matrix] ?? matrix;
  return `${stem}.${matrix === key ? "weight" : "bias"}`;
}
