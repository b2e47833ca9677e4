/**
 * Phi-3, Phi-3.5 mini, Phi-4: Llama whose checkpoints hold query, key and value in one tensor, and
 * gate and up in another. Some models rotate only a part of each head.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { TensorPlan, TensorSpec } from "./architecture.ts";
import { decoder, layersWhere, windowOf } from "./decoder.ts";
import { decoderTensors } from "./tensors.ts";

/** Name of a fused tensor in a layer -> keys of the tensors in it, in the order of their rows. */
const FUSED: Record<string, string[]> = {
  "self_attn.qkv_proj.weight": ["attn.q", "attn.k", "attn.v"],
  "mlp.gate_up_proj.weight": ["mlp.gate", "mlp.up"],
};

/** Phi3ForCausalLM, the class of Phi-4 too. */
export const phi3 = decoder({
  classes: ["Phi3ForCausalLM"],
  defaults: {
    max_position_embeddings: 4096,
    original_max_position_embeddings: 4096,
    rms_norm_eps: 1e-5,
  },
  ropeTypes: ["default", "longrope"],
  traits: (config) => ({ local: windowOf(config, layersWhere(config, () => true)) }),
  tensors,
});

/**
 * The tensors of a plain decoder; those that are fused in the checkpoint are rows of the fused
 * tensor.
 */
function tensors(geometry: Geometry): TensorPlan {
  const plan = decoderTensors(geometry);
  return {
    ...plan,
    layers: plan.layers.map((specs, layer) => specs.map((spec) => inFused(spec, specs, layer))),
  };
}

/** A tensor as rows of the fused tensor that holds it, or unchanged if none does. */
function inFused(spec: TensorSpec, specs: TensorSpec[], layer: number): TensorSpec {
  for (const [fused, keys] of Object.entries(FUSED)) {
    const at = keys.indexOf(spec.key);
    if (at < 0) continue;
    const rows = keys.map((key) => specs.find((other) => other.key === key)!.shape[0]);
    const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0);
    return {
      ...spec,
      name: `model.layers.${layer}.${fused}`,
      within: { shape: [sum(rows), spec.shape[1]], firstRow: sum(rows.slice(0, at)) },
    };
  }
  return spec;
}
