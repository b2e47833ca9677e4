/**
 * Gemma 2 and 3 (text): scaled embedding, gains stored less 1, norms around attention and MLP,
 * GELU, layers with a sliding window among layers without. Gemma 2 caps scores and logits; Gemma 3
 * norms queries and keys, and its local layers rotate with a base of their own.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import { decoder, type Family, slidingLayers, type Traits } from "./decoder.ts";
import { ropeOf } from "./rope.ts";

const DEFAULTS = {
  num_key_value_heads: 4,
  head_dim: 256,
  hidden_activation: "gelu_pytorch_tanh",
  tie_word_embeddings: true,
  query_pre_attn_scalar: 256,
  sliding_window: 4096,
};

const LOCAL_THETA = 10000;

/** What both have. */
function common(config: ModelConfig, qkNorm: boolean): Traits {
  return {
    attention: {
      scale: config.query_pre_attn_scalar! ** -0.5,
      ...(config.attn_logit_softcapping ? { softcap: config.attn_logit_softcapping } : {}),
      ...(qkNorm ? { qk_norm: true } : {}),
      ...(config.attention_bias ? { bias: "qkvo" } : {}),
    },
    mlp: { activation: "gelu_tanh" },
    norms: { offset: 1, after: true },
    embedding_scale: Math.sqrt(config.hidden_size),
    logit_softcap: config.final_logit_softcapping ?? undefined,
  };
}

const refused: Family["unsupported"] = (config) => {
  const missing = (["sliding_window", "query_pre_attn_scalar"] as const).filter((field) =>
    !config[field]
  );
  return missing.map((field) => `${field} ${config[field]} (supported: a number above 0)`);
};

/** Gemma2ForCausalLM. */
export const gemma2 = decoder({
  classes: ["Gemma2ForCausalLM"],
  defaults: {
    ...DEFAULTS,
    max_position_embeddings: 8192,
    attn_logit_softcapping: 50,
    final_logit_softcapping: 30,
  },
  activation: "gelu_pytorch_tanh",
  unsupported: refused,
  traits(config) {
    const layers = slidingLayers(config, (layer) => layer % 2 === 0);
    const closes = config.sliding_window! < config.max_position_embeddings;
    return {
      ...common(config, false),
      local: layers.length > 0 && closes ? { window: config.sliding_window!, layers } : undefined,
    };
  },
});

/** Gemma3ForCausalLM. */
export const gemma3 = decoder({
  classes: ["Gemma3ForCausalLM"],
  defaults: {
    ...DEFAULTS,
    max_position_embeddings: 131072,
    sliding_window_pattern: 6,
    rope_theta: 1_000_000,
  },
  activation: "gelu_pytorch_tanh",
  unsupported(config) {
    const { type } = localRope(config);
    const found = refused(config);
    return type === "default"
      ? found
      : [...found, `rope type ${type} of sliding layers (supported: default)`];
  },
  traits(config) {
    const pattern = config.sliding_window_pattern!;
    const layers = slidingLayers(config, (layer) => (layer + 1) % pattern !== 0);
    const rope = { theta: localRope(config).theta, scaling: null };
    return {
      ...common(config, true),
      local: layers.length > 0 ? { window: config.sliding_window!, layers, rope } : undefined,
    };
  },
});

/**
 * Rotation of the sliding layers: under `rope_parameters.sliding_attention`, or
 * `rope_local_base_freq` without scaling.
 */
function localRope(config: ModelConfig): { theta: number; type: string } {
  if (config.rope_parameters?.["sliding_attention"]) {
    return ropeOf(
      { ...config, rope_theta: config.rope_local_base_freq ?? LOCAL_THETA },
      "sliding_attention",
    );
  }
  return { theta: config.rope_local_base_freq ?? LOCAL_THETA, type: "default" };
}
