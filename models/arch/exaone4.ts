/**
 * EXAONE 4: the outputs of attention and MLP are normed, not what they read; heads' queries and
 * keys are normed. Larger models have a sliding window in most layers, and only those rotate.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import { decoder, slidingLayers, windowOf } from "./decoder.ts";
import { afterNormNames, decoderTensors } from "./tensors.ts";

/** Whether a layer (0-based) has the sliding window where `layer_types` does not say. */
function slides({ sliding_window_pattern: pattern, num_hidden_layers }: ModelConfig) {
  return (layer: number): boolean =>
    typeof pattern === "string"
      ? layer < num_hidden_layers - 1 && pattern[layer % pattern.length] === "L"
      : (layer + 1) % (pattern ?? 4) !== 0;
}

/** Numbers of the layers with the window; empty where the model has none. */
const windowed = (config: ModelConfig): number[] =>
  config.sliding_window ? slidingLayers(config, slides(config)) : [];

/** Exaone4ForCausalLM. */
export const exaone4 = decoder({
  classes: ["Exaone4ForCausalLM"],
  defaults: {
    num_key_value_heads: 32,
    rms_norm_eps: 1e-5,
    sliding_window: 4096,
    sliding_window_pattern: 4,
  },
  skipsRotation: (config, layer) =>
    Boolean(config.sliding_window) && !windowed(config).includes(layer),
  traits: (config) => ({
    attention: { qk_norm: true },
    norms: { before: false, after: true },
    local: windowOf(config, windowed(config)),
  }),
  tensors: (geometry) => decoderTensors(geometry, afterNormNames),
});
