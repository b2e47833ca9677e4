/**
 * Phi-3, Phi-3.5 mini, Phi-4: Llama whose checkpoints hold query, key and value in one tensor, and
 * gate and up in another. Some models rotate only a part of each head.
 *
 * @module
 */
import { decoder, layersWhere, windowOf } from "./decoder.ts";
import { fusedTensors } from "./fused.ts";
import { decoderTensors } from "./tensors.ts";

const FUSED = {
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
  partialRotation: true,
  traits: (config) => ({ local: windowOf(config, layersWhere(config, () => true)) }),
  tensors: (geometry) => fusedTensors(decoderTensors(geometry), FUSED),
});
