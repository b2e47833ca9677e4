/**
 * GLM-4 (9B) and GLM-4-0414 (dense): neighbours are rotated, and only half of each head; gate and
 * up lie in one tensor. The later class norms the outputs of attention and MLP too.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { ModelConfig } from "./config.ts";
import { decoder, type Traits } from "./decoder.ts";
import { fusedTensors } from "./fused.ts";
import { decoderTensors } from "./tensors.ts";

const DEFAULTS = {
  num_key_value_heads: 2,
  head_dim: 128,
  max_position_embeddings: 131072,
  rms_norm_eps: 1.5625e-7,
  attention_bias: true,
  partial_rotary_factor: 0.5,
};

const FUSED = { "mlp.gate_up_proj.weight": ["mlp.gate", "mlp.up"] };

/** Names of the later class's norms. */
const SANDWICH = {
  "attn_norm": "input_layernorm.weight",
  "attn_after_norm": "post_self_attn_layernorm.weight",
  "mlp_norm": "post_attention_layernorm.weight",
  "mlp_after_norm": "post_mlp_layernorm.weight",
};

const attention = (config: ModelConfig): Traits["attention"] =>
  config.attention_bias ? { bias: "qkv" } : undefined;

/** GlmForCausalLM. */
export const glm = decoder({
  classes: ["GlmForCausalLM"],
  defaults: DEFAULTS,
  interleaved: true,
  partialRotation: true,
  traits: (config) => ({ attention: attention(config) }),
  tensors: (geometry: Geometry) => fusedTensors(decoderTensors(geometry), FUSED),
});

/** Glm4ForCausalLM. */
export const glm4 = decoder({
  classes: ["Glm4ForCausalLM"],
  defaults: DEFAULTS,
  interleaved: true,
  partialRotation: true,
  traits: (config) => ({ attention: attention(config), norms: { after: true } }),
  tensors: (geometry: Geometry) => fusedTensors(decoderTensors(geometry, SANDWICH), FUSED),
});
