/**
 * Bamba: Mamba 2 in nearly all layers, attention with a half of each head rotated in the others.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import { decoder, layersWhere } from "./decoder.ts";
import {
  expandedWidth,
  feedForwardTensors,
  MAMBA_DEFAULTS,
  mambaRecurrence,
  unsupportedMamba,
} from "./mamba.ts";

/** The recurrence of the layers (0-based) that `attn_layer_indices` leaves out; undefined: of none. */
function recurrenceOf(config: ModelConfig) {
  const attending = config.attn_layer_indices ?? [];
  const layers = layersWhere(config, (layer) => !attending.includes(layer));
  return layers.length > 0 ? mambaRecurrence(config, layers, expandedWidth(config)) : undefined;
}

/** BambaForCausalLM. */
export const bamba = decoder({
  classes: ["BambaForCausalLM"],
  defaults: {
    ...MAMBA_DEFAULTS,
    num_key_value_heads: 8,
    max_position_embeddings: 262144,
    rms_norm_eps: 1e-5,
    partial_rotary_factor: 0.5,
  },
  partialRotation: true,
  unsupported(config) {
    const recurrence = recurrenceOf(config);
    if (!recurrence) return [];
    const expected = "mamba_expand times hidden_size";
    return unsupportedMamba(config, recurrence, { width: expandedWidth(config), expected });
  },
  traits: (config) => ({
    attention: config.attention_bias ? { bias: "qkvo" } : undefined,
    mlp: config.mlp_bias ? { bias: true } : undefined,
    recurrence: recurrenceOf(config),
  }),
  tensors: feedForwardTensors,
});
