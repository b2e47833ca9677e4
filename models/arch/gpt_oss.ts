/**
 * gpt-oss: a mixture of experts in every layer, whose weights are MXFP4, a sliding window in every
 * other layer, and a sink for each head.
 *
 * @module
 */
import { decoder, slidingLayers, windowOf } from "./decoder.ts";
import { type ExpertRows, expertsOf, placedExperts, unsupportedExperts } from "./experts.ts";
import { decoderTensors } from "./tensors.ts";

/** What the activation function `clamped` computes with. */
const CLAMPED = { swiglu_limit: 7, swiglu_alpha: 1.702 } as const;

/** Rows of gate (`part` 0) and up (1) alternate: [experts, 2 * I, H] and their biases [.., 2 * I]. */
const alternate = (part: 0 | 1, vector: boolean): ExpertRows => (prefix, geometry) => {
  const { experts, intermediate, hidden } = geometry;
  const shape = [experts!.count, 2 * intermediate, ...vector ? [] : [hidden]];
  return {
    name: `${prefix}mlp.experts.gate_up_proj${vector ? "_bias" : ""}`,
    within: { shape, firstRow: part, step: 2 },
  };
};

const down = (vector: boolean): ExpertRows => (prefix, { experts, intermediate, hidden }) => ({
  name: `${prefix}mlp.experts.down_proj${vector ? "_bias" : ""}`,
  within: { shape: [experts!.count, hidden, ...vector ? [] : [intermediate]], firstRow: 0 },
});

const PLACES = {
  "mlp.experts.gate": alternate(0, false),
  "mlp.experts.gate_bias": alternate(0, true),
  "mlp.experts.up": alternate(1, false),
  "mlp.experts.up_bias": alternate(1, true),
  "mlp.experts.down": down(false),
  "mlp.experts.down_bias": down(true),
};

/** Names of the router, which has a bias. */
const NAMES = { "mlp.router": "mlp.router.weight", "mlp.router_bias": "mlp.router.bias" };

/** GptOssForCausalLM. */
export const gptOss = decoder({
  classes: ["GptOssForCausalLM"],
  packings: ["mxfp4"],
  defaults: {
    ...CLAMPED,
    num_key_value_heads: 8,
    head_dim: 64,
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-5,
    sliding_window: 128,
    attention_bias: true,
    num_local_experts: 128,
    num_experts_per_tok: 4,
    rope_theta: 150000,
  },
  unsupported(config) {
    const found = unsupportedExperts(config);
    for (const [field, supported] of Object.entries(CLAMPED)) {
      const stated = config[field];
      if (stated !== supported) found.push(`${field} ${stated} (supported: ${supported})`);
    }
    if (!config.quantization_config) {
      found.push("no quantization_config (supported: experts in mxfp4)");
    }
    if (!config.rope_parameters && !config.rope_scaling) {
      found.push("neither rope_parameters nor rope_scaling");
    }
    return found;
  },
  traits: (config) => ({
    attention: { sinks: true, ...(config.attention_bias ? { bias: "qkvo" } : {}) },
    experts: { ...expertsOf(config, true)!, bias: true },
    local: windowOf(config, slidingLayers(config, (layer) => layer % 2 === 0)),
    mlp: { activation: "clamped", bias: true },
  }),
  tensors: (geometry) => placedExperts(decoderTensors(geometry, NAMES), geometry, PLACES),
});
