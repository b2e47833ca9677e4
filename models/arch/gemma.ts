/**
 * Gemma (text): the embedding is scaled, gains are stored as gain - 1, attention and MLP
 * have a norm before and after, the gate is GELU, and some layers have a sliding window. Gemma 2
 * caps scores and logits; Gemma 3 norms queries and keys, and its sliding layers rotate with a base
 * of their own.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import { decoder, type DecoderFamily, slidingLayers, type Traits } from "./decoder.ts";
import { ropeOf } from "./rope.ts";

const DEFAULTS = {
  num_key_value_heads: 4,
  head_dim: 256,
  hidden_activation: "gelu_pytorch_tanh",
  tie_word_embeddings: true,
  query_pre_attn_scalar: 256,
  sliding_window: 4096,
};

/** Base of the frequencies in sliding layers where config.json states none. */
const LOCAL_THETA = 10000;

/** Traits that Gemma 2 and Gemma 3 share. */
function common(config: ModelConfig, qkNorm: boolean): Traits {
  return {
    attention: {
      scale: config.query_pre_attn_scalar! ** -0.5,
      // transformers reads the field for Gemma 3 too, and does not use it there.
      ...(config.attn_logit_softcapping && !qkNorm
        ? { softcap: config.attn_logit_softcapping }
        : {}),
      ...(qkNorm ? { qk_norm: true } : {}),
      ...(config.attention_bias ? { bias: "qkvo" } : {}),
    },
    mlp: { activation: "gelu_tanh" },
    norms: { offset: 1, after: true },
    embedding_scale: Math.sqrt(config.hidden_size),
    logit_softcap: config.final_logit_softcapping ?? undefined,
  };
}

/** Settings of either version that are not supported. */
const refused: DecoderFamily["unsupported"] = (config) => {
  const missing = (["sliding_window", "query_pre_attn_scalar"] as const).filter((field) =>
    !config[field]
  );
  return missing.map((field) => `${field} ${config[field]} (supported: a number above 0)`);
};

/** GemmaForCausalLM: none of what the later versions add. */
export const gemma1 = decoder({
  classes: ["GemmaForCausalLM"],
  defaults: {
    num_key_value_heads: 16,
    head_dim: 256,
    max_position_embeddings: 8192,
    hidden_act: "gelu_pytorch_tanh",
    tie_word_embeddings: true,
  },
  activation: "gelu_pytorch_tanh",
  traits: (config) => ({
    attention: config.attention_bias ? { bias: "qkvo" } : undefined,
    mlp: { activation: "gelu_tanh" },
    norms: { offset: 1 },
    embedding_scale: Math.sqrt(config.hidden_size),
  }),
});

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
  activationField: "hidden_activation",
  unsupported: refused,
  traits(config) {
    const layers = slidingLayers(config, (layer) => layer % 2 === 0);
    const limits = config.sliding_window! < config.max_position_embeddings;
    return {
      ...common(config, false),
      local: layers.length > 0 && limits ? { window: config.sliding_window!, layers } : undefined,
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
  activationField: "hidden_activation",
  unsupported(config) {
    const { type } = localRope(config);
    const found = refused(config);
    return type === "default"
      ? found
      : [...found, `rope type ${type} of sliding layers (supported: default)`];
  },
  traits(config) {
    const pattern = Number(config.sliding_window_pattern);
    const layers = slidingLayers(config, (layer) => (layer + 1) % pattern !== 0);
    const rope = { theta: localRope(config).theta, scaling: null };
    return {
      ...common(config, true),
      local: layers.length > 0 ? { window: config.sliding_window!, layers, rope } : undefined,
    };
  },
});

/**
 * Rotation of Gemma 3's sliding layers: `rope_parameters.sliding_attention`, or the base
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
