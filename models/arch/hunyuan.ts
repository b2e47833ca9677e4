/**
 * HunYuan: Llama whose heads' queries and keys are normed after rotation. Its checkpoints call a
 * base that is multiplied once and for all `dynamic` with `alpha`. HunYuan MoE: the same with a
 * mixture of experts in every layer, beside an MLP for all rows.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import { decoder, type DecoderFamily, type Traits } from "./decoder.ts";
import { EXPERT_PLACES, expertsOf, placedExperts, unsupportedExperts } from "./experts.ts";
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

const attention = (config: ModelConfig): Traits["attention"] => ({
  qk_norm: "rotated",
  ...(config.attention_bias ? { bias: "qkvo" } : {}),
});

const adjusted: DecoderFamily["adjusted"] = (geometry, config) => {
  const theta = stretchedTheta(config);
  if (theta === undefined) return geometry;
  return { ...geometry, rope: { ...geometry.rope, theta, scaling: null } };
};

/** HunYuanDenseV1ForCausalLM. */
export const hunyuan = decoder({
  classes: ["HunYuanDenseV1ForCausalLM"],
  defaults: { rms_norm_eps: 1e-5 },
  traits: (config) => ({ attention: attention(config) }),
  adjusted,
  tensors: (geometry) => decoderTensors(geometry, NAMES),
});

/** Names of the MLP beside the experts, and of the router. */
const MOE_NAMES = {
  ...NAMES,
  "mlp.router": "mlp.gate.wg.weight",
  "mlp.shared.gate": "mlp.shared_mlp.gate_proj.weight",
  "mlp.shared.up": "mlp.shared_mlp.up_proj.weight",
  "mlp.shared.down": "mlp.shared_mlp.down_proj.weight",
};

/** HunYuanMoEV1ForCausalLM. */
export const hunyuanMoe = decoder({
  classes: ["HunYuanMoEV1ForCausalLM"],
  defaults: { rms_norm_eps: 1e-5, num_experts: 1, moe_topk: 1 },
  unsupported: unsupportedExperts,
  traits: (config) => ({
    attention: attention(config),
    experts: {
      ...expertsOf(config, true),
      shared: { intermediate: config.intermediate_size },
    },
  }),
  adjusted,
  tensors: (geometry) =>
    placedExperts(decoderTensors(geometry, MOE_NAMES), geometry, EXPERT_PLACES),
});
