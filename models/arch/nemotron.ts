/**
 * Nemotron and Minitron (dense): LayerNorm whose gains are stored as gain - 1, an MLP without gate
 * whose activation is the square of ReLU; half of each head is rotated.
 *
 * @module
 */
import { decoder } from "./decoder.ts";

/** NemotronForCausalLM. */
export const nemotron = decoder({
  classes: ["NemotronForCausalLM"],
  defaults: {
    max_position_embeddings: 4096,
    hidden_act: "relu2",
    norm_eps: 1e-5,
    partial_rotary_factor: 0.5,
  },
  activation: "relu2",
  epsilonField: "norm_eps",
  partialRotation: true,
  traits: (config) => ({
    attention: config.attention_bias ? { bias: "qkvo" } : undefined,
    mlp: { activation: "relu2", gated: false, ...(config.mlp_bias ? { bias: true } : {}) },
    norms: { kind: "layer", bias: true, offset: 1 },
  }),
});
