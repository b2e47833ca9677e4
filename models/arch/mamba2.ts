/**
 * Mamba 2 (Codestral Mamba): each layer is a recurrence alone; there is no attention and no MLP.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import { decoder, layersWhere } from "./decoder.ts";
import { inBackbone, MIXER_NAMES, type Recurrence, unsupportedSteps } from "./mamba.ts";
import { MOST_CONTEXT } from "./rope.ts";
import { decoderTensors } from "./tensors.ts";

const allLayers = (config: ModelConfig): number[] => layersWhere(config, () => true);

function recurrenceOf(config: ModelConfig): Recurrence {
  return {
    layers: allLayers(config),
    heads: config.num_heads!,
    head_dim: config.head_dim!,
    state: config.state_size!,
    groups: config.n_groups!,
    kernel: config.conv_kernel!,
    ...(config.use_conv_bias && { kernel_bias: true }),
    ...(config.use_bias && { bias: true }),
  };
}

/** Settings that are not supported, in words. */
function unsupported(config: ModelConfig): string[] {
  const { num_heads: heads, head_dim, n_groups: groups } = config;
  const width = Math.floor(config.expand! * config.hidden_size);
  return [
    ...(heads! * head_dim! === width ? [] : [
      `num_heads ${heads} of head_dim ${head_dim} (supported: ${width}, expand times hidden_size)`,
    ]),
    ...(heads! % groups! === 0
      ? []
      : [`n_groups ${groups} (supported: a divisor of num_heads ${heads})`]),
    ...unsupportedSteps(config),
  ];
}

/** Mamba2ForCausalLM. */
export const mamba2 = decoder({
  classes: ["Mamba2ForCausalLM"],
  defaults: {
    hidden_size: 4096,
    num_hidden_layers: 64,
    vocab_size: 32768,
    max_position_embeddings: MOST_CONTEXT, // it knows no positions
    intermediate_size: 1, // of no layer
    layer_norm_epsilon: 1e-5,
    num_heads: 128,
    head_dim: 64,
    state_size: 128,
    n_groups: 8,
    conv_kernel: 4,
    expand: 2,
    use_conv_bias: true,
    use_bias: false,
  },
  derived: (stated) => ({ num_attention_heads: stated.num_heads ?? 128 }),
  epsilonField: "layer_norm_epsilon",
  skipsRotation: () => true,
  unsupported,
  adjusted(geometry, { num_heads }) {
    return { ...geometry, heads: num_heads!, kv_heads: num_heads! }; // of no layer
  },
  traits: (config) => ({
    alone: { mixer: allLayers(config), mlp: [] },
    recurrence: recurrenceOf(config),
  }),
  tensors: (geometry) => inBackbone(decoderTensors(geometry, MIXER_NAMES, "model.norm_f.weight")),
});
