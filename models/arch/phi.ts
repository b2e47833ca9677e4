/**
 * Phi-1.5 and Phi-2: LayerNorm, biases everywhere, an MLP without gate beside attention, and half or
 * less of each head rotated. Phi-3, Phi-3.5 mini, Phi-4: Llama whose checkpoints hold query, key and value in one tensor, and
 * gate and up in another. Some models rotate only a part of each head.
 *
 * @module
 */
import { decoder, layersWhere, windowOf } from "./decoder.ts";
import { fusedTensors } from "./fused.ts";
import type { TensorPlan } from "./architecture.ts";
import { decoderTensors } from "./tensors.ts";

const FUSED = {
  "self_attn.qkv_proj.weight": ["attn.q", "attn.k", "attn.v"],
  "mlp.gate_up_proj.weight": ["mlp.gate", "mlp.up"],
};

/** Phi-2's own names of tensors in a layer. */
const PHI2_NAMES = {
  "attn.o": "self_attn.dense.weight",
  "attn.o_bias": "self_attn.dense.bias",
  "mlp.up": "mlp.fc1.weight",
  "mlp.up_bias": "mlp.fc1.bias",
  "mlp.down": "mlp.fc2.weight",
  "mlp.down_bias": "mlp.fc2.bias",
};

/** The plan with Phi-2's name of the final norm. */
const finalNorm = (plan: TensorPlan): TensorPlan => ({
  ...plan,
  head: plan.head.map((spec) => ({
    ...spec,
    name: spec.name.replace("model.norm.", "model.final_layernorm."),
  })),
});

/** PhiForCausalLM. */
export const phi = decoder({
  classes: ["PhiForCausalLM"],
  defaults: { hidden_act: "gelu_new", layer_norm_eps: 1e-5, partial_rotary_factor: 0.5 },
  activation: "gelu_new",
  epsilonField: "layer_norm_eps",
  partialRotation: true,
  unsupported: ({ qk_layernorm }) => qk_layernorm ? ["qk_layernorm true (supported: false)"] : [],
  traits: () => ({
    attention: { bias: "qkvo" },
    mlp: { activation: "gelu_tanh", gated: false, bias: true },
    norms: { kind: "layer", bias: true },
    parallel: true,
    head_bias: true,
  }),
  tensors: (geometry) => finalNorm(decoderTensors(geometry, PHI2_NAMES)),
});

/** Phi3ForCausalLM, the class of Phi-4 too. */
export const phi3 = decoder({
  classes: ["Phi3ForCausalLM"],
  defaults: {
    max_position_embeddings: 4096,
    original_max_position_embeddings: 4096,
    rms_norm_eps: 1e-5,
  },
  ropeTypes: ["default", "longrope"],
  partialRotation: true,
  traits: (config) => ({ local: windowOf(config, layersWhere(config, () => true)) }),
  tensors: (geometry) => fusedTensors(decoderTensors(geometry), FUSED),
});
