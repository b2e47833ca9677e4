/**
 * Cohere (Command R) and Cohere 2 (Command R7B, Aya): attention and MLP read the same rows of a
 * LayerNorm without bias; neighbours are rotated; the logits have a factor. In Cohere 2 most layers
 * have a sliding window, and only those rotate.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import { decoder, slidingLayers, type Traits, windowOf } from "./decoder.ts";

const DEFAULTS = {
  max_position_embeddings: 8192,
  layer_norm_eps: 1e-5,
  tie_word_embeddings: true,
  logit_scale: 0.0625,
};

/** Traits that both versions share. */
const common = (config: ModelConfig): Traits => ({
  attention: config.attention_bias ? { bias: "qkvo" } : undefined,
  parallel: true,
  norms: { kind: "layer" },
  logit_scale: config.logit_scale ?? undefined,
});

/** Layers of Cohere 2 with the window. */
const windowed = (config: ModelConfig): number[] =>
  slidingLayers(config, (layer) => (layer + 1) % Number(config.sliding_window_pattern ?? 4) !== 0);

/** CohereForCausalLM. */
export const cohere = decoder({
  classes: ["CohereForCausalLM"],
  defaults: { ...DEFAULTS, rope_theta: 500_000 },
  epsilonField: "layer_norm_eps",
  interleaved: true,
  unsupported: ({ use_qk_norm }) => use_qk_norm ? ["use_qk_norm true (supported: false)"] : [],
  traits: common,
});

/** Cohere2ForCausalLM. */
export const cohere2 = decoder({
  classes: ["Cohere2ForCausalLM"],
  defaults: { ...DEFAULTS, sliding_window: 4096 },
  epsilonField: "layer_norm_eps",
  interleaved: true,
  skipsRotation: (config, layer) => !windowed(config).includes(layer),
  traits: (config) => ({ ...common(config), local: windowOf(config, windowed(config)) }),
});
