/**
 * SmolLM3: Llama in which every fourth layer does not rotate.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import { decoder, slidingLayers, windowOf } from "./decoder.ts";

/**
 * Whether a layer (0-based) does not rotate: `no_rope_layers` holds 0 for it; without that field,
 * every `no_rope_layer_interval`th layer does not.
 */
function skipsRotation(
  { no_rope_layers, no_rope_layer_interval }: ModelConfig,
  layer: number,
): boolean {
  return no_rope_layers ? no_rope_layers[layer] === 0 : (layer + 1) % no_rope_layer_interval! === 0;
}

/** SmolLM3ForCausalLM. */
export const smollm3 = decoder({
  classes: ["SmolLM3ForCausalLM"],
  defaults: {
    num_key_value_heads: 4,
    max_position_embeddings: 32768,
    rope_theta: 2_000_000,
    no_rope_layer_interval: 4,
    tie_word_embeddings: true,
  },
  skipsRotation,
  traits: (config) => ({
    attention: config.attention_bias ? { bias: "qkvo" } : undefined,
    mlp: config.mlp_bias ? { bias: true } : undefined,
    local: config.use_sliding_window
      ? windowOf(config, slidingLayers(config, (layer) => skipsRotation(config, layer)))
      : undefined,
  }),
  unsupported: ({ no_rope_layers, no_rope_layer_interval, num_hidden_layers }) => [
    ...(no_rope_layers && no_rope_layers.length < num_hidden_layers
      ? [`no_rope_layers of ${no_rope_layers.length} of its ${num_hidden_layers} layers`]
      : []),
    ...(no_rope_layers || no_rope_layer_interval
      ? []
      : ["no_rope_layer_interval null (supported: a number)"]),
  ],
});
