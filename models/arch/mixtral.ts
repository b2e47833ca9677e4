/**
 * Mixtral: Mistral with a mixture of experts in every layer.
 *
 * @module
 */
import { decoder, layersWhere, windowOf } from "./decoder.ts";
import { expertsOf, ofEach, placedExperts, unsupportedExperts } from "./experts.ts";
import { decoderTensors } from "./tensors.ts";

/** Mixtral's own names of the projections of an expert. */
const NAMES = { gate: "w1", up: "w3", down: "w2" };

const PLACES = Object.fromEntries(
  Object.entries(NAMES).map(([part, name]) => [
    `mlp.experts.${part}`,
    ofEach((expert) => `block_sparse_moe.experts.${expert}.${name}.weight`),
  ]),
);

/** MixtralForCausalLM. */
export const mixtral = decoder({
  classes: ["MixtralForCausalLM"],
  defaults: {
    num_key_value_heads: 8,
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-5,
    rope_theta: 1e6,
    num_local_experts: 8,
    num_experts_per_tok: 2,
  },
  unsupported: unsupportedExperts,
  traits: (config) => ({
    experts: expertsOf(config, true),
    local: windowOf(config, layersWhere(config, () => true)),
  }),
  tensors: (geometry) =>
    placedExperts(
      decoderTensors(geometry, { "mlp.router": "block_sparse_moe.gate.weight" }),
      geometry,
      PLACES,
    ),
});
