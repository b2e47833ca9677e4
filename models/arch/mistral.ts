/**
 * Mistral: Llama whose layers all have a sliding window.
 *
 * @module
 */
import { decoder, layersWhere, windowOf } from "./decoder.ts";

/** MistralForCausalLM. */
export const mistral = decoder({
  classes: ["MistralForCausalLM"],
  defaults: { num_key_value_heads: 8, max_position_embeddings: 131072, sliding_window: 4096 },
  traits: (config) => ({ local: windowOf(config, layersWhere(config, () => true)) }),
  unsupported: ({ layer_types }) =>
    new Set(layer_types).size > 1
      ? ["layer_types that differ (supported: one for all layers)"]
      : [],
});
