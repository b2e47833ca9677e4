/**
 * OLMo 2 and 3: attention and MLP read the residual stream as it is, and their outputs are normed;
 * queries and keys are normed over all heads together. OLMo 3 has layers with a sliding window,
 * whose rotation is not scaled. OLMoE norms what attention and MLP read, as Llama does, and has a
 * mixture of experts in every layer.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import { decoder, slidingLayers, type Traits, windowOf } from "./decoder.ts";
import { EXPERT_PLACES, expertsOf, placedExperts, unsupportedExperts } from "./experts.ts";
import { ropeOf } from "./rope.ts";
import { afterNormNames, decoderTensors } from "./tensors.ts";

const DEFAULTS = { rms_norm_eps: 1e-5 };

/** Traits that both versions share. */
const common = (config: ModelConfig): Traits => ({
  attention: { qk_norm: "all", ...(config.attention_bias ? { bias: "qkvo" } : {}) },
  norms: { before: false, after: true },
});

/** Olmo2ForCausalLM. */
export const olmo2 = decoder({
  classes: ["Olmo2ForCausalLM"],
  defaults: DEFAULTS,
  traits: common,
  tensors: (geometry) => decoderTensors(geometry, afterNormNames),
});

/** Olmo3ForCausalLM. */
export const olmo3 = decoder({
  classes: ["Olmo3ForCausalLM"],
  defaults: { ...DEFAULTS, max_position_embeddings: 2048, sliding_window: 4096 },
  unsupported(config) {
    const { type } = ropeOf(config, "sliding_attention");
    const own = config.rope_parameters?.["sliding_attention"];
    return own && type !== "default"
      ? [`rope type ${type} of sliding layers (supported: default)`]
      : [];
  },
  traits(config) {
    const own = config.rope_parameters?.["sliding_attention"];
    const { theta } = ropeOf(config, own ? "sliding_attention" : "full_attention");
    const local = windowOf(config, slidingLayers(config, (layer) => (layer + 1) % 4 !== 0));
    return { ...common(config), local: local && { ...local, rope: { theta, scaling: null } } };
  },
  tensors: (geometry) => decoderTensors(geometry, afterNormNames),
});

/** OlmoeForCausalLM. */
export const olmoe = decoder({
  classes: ["OlmoeForCausalLM"],
  defaults: {
    rms_norm_eps: 1e-5,
    max_position_embeddings: 4096,
    num_experts: 64,
    num_experts_per_tok: 8,
    norm_topk_prob: false,
  },
  unsupported: unsupportedExperts,
  traits: (config) => ({
    attention: { qk_norm: "all", ...(config.attention_bias ? { bias: "qkvo" } : {}) },
    experts: expertsOf(config, config.norm_topk_prob!),
  }),
  tensors: (geometry) => placedExperts(decoderTensors(geometry), geometry, EXPERT_PLACES),
});
