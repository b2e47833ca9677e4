/**
 * HunYuan (dense): Llama whose heads' queries and keys are normed after rotation. Its checkpoints
 * call a base that is multiplied once and for all `dynamic` with `alpha`.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import { decoder } from "./decoder.ts";
import { ropeOf } from "./rope.ts";
import { decoderTensors } from "./tensors.ts";

const NAMES = {
  "attn.q_norm": "self_attn.query_layernorm.weight",
  "attn.k_norm": "self_attn.key_layernorm.weight",
};

/** Base of the frequencies that `alpha` stretches, where config.json states one. */
function stretchedTheta(config: ModelConfig): number | undefined {
  const { theta, type, scaling } = ropeOf(config);
  const alpha = scaling?.["alpha"];
  if (type !== "dynamic" || typeof alpha !== "number" || alpha <= 0) return undefined;
  const dims = config.head_dim ?? Math.floor(config.hidden_size / config.num_attention_heads);
  return theta * alpha ** (dims / (dims - 2));
}

/** HunYuanDenseV1ForCausalLM. */
export const hunyuan = decoder({
  classes: ["HunYuanDenseV1ForCausalLM"],
  defaults: { rms_norm_eps: 1e-5 },
  traits: (config) => ({
    attention: { qk_norm: "rotated", ...(config.attention_bias ? { bias: "qkvo" } : {}) },
  }),
  adjusted(geometry, config) {
    const theta = stretchedTheta(config);
    if (theta === undefined) return geometry;
    return { ...geometry, rope: { ...geometry.rope, theta, scaling: null } };
  },
  tensors: (geometry) => decoderTensors(geometry, NAMES),
});
