/**
 * StarCoder 2: LayerNorm, biases everywhere, an MLP without gate, a sliding window in all layers.
 *
 * @module
 */
import { decoder, layersWhere, windowOf } from "./decoder.ts";
import { decoderTensors } from "./tensors.ts";

const NAMES = {
  "mlp.up": "mlp.c_fc.weight",
  "mlp.up_bias": "mlp.c_fc.bias",
  "mlp.down": "mlp.c_proj.weight",
  "mlp.down_bias": "mlp.c_proj.bias",
};

/** Starcoder2ForCausalLM. */
export const starcoder2 = decoder({
  classes: ["Starcoder2ForCausalLM"],
  defaults: {
    num_key_value_heads: 2,
    max_position_embeddings: 4096,
    hidden_act: "gelu_pytorch_tanh",
    norm_epsilon: 1e-5,
    use_bias: true,
    tie_word_embeddings: true,
  },
  activation: "gelu_pytorch_tanh",
  epsilonField: "norm_epsilon",
  traits: (config) => ({
    attention: config.use_bias ? { bias: "qkvo" } : undefined,
    mlp: {
      activation: "gelu_tanh",
      gated: false,
      ...(config.use_bias ? { bias: true } : {}),
    },
    norms: { kind: "layer", bias: true },
    local: windowOf(config, layersWhere(config, () => true)),
  }),
  tensors: (geometry) => decoderTensors(geometry, NAMES),
});
