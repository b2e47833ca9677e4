/**
 * Qwen2, Qwen2.5: Llama with biases of query, key and value. Qwen3: no biases, but each head's
 * query and key are normed.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { ModelConfig } from "./config.ts";
import { decoder, slidingLayers, windowOf } from "./decoder.ts";

const DEFAULTS = {
  num_key_value_heads: 32,
  max_position_embeddings: 32768,
  use_sliding_window: false,
  sliding_window: 4096,
  max_window_layers: 28,
};

/** Layers with a window: with `use_sliding_window`, those from `max_window_layers` on. */
function windowed(config: ModelConfig): Geometry["local"] {
  if (!config.use_sliding_window) return undefined;
  return windowOf(
    config,
    slidingLayers(config, (layer) => layer >= (config.max_window_layers ?? 0)),
  );
}

/** Qwen2ForCausalLM. */
export const qwen2 = decoder({
  classes: ["Qwen2ForCausalLM"],
  defaults: DEFAULTS,
  traits: (config) => ({ attention: { bias: "qkv" }, local: windowed(config) }),
});

/** Qwen3ForCausalLM. */
export const qwen3 = decoder({
  classes: ["Qwen3ForCausalLM"],
  defaults: { ...DEFAULTS, head_dim: 128 },
  traits: (config) => ({
    attention: { qk_norm: true, ...(config.attention_bias ? { bias: "qkvo" } : {}) },
    local: windowed(config),
  }),
});
