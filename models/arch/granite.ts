/**
 * Granite 3: Llama with factors of embedding, scores, residual updates and logits. Granite 3 MoE:
 * the same with a mixture of experts in every layer, in a later class beside an MLP for all rows.
 * Granite 4: that class, with or without experts; its layers with a state space are not supported.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { TensorPlan } from "./architecture.ts";
import type { ModelConfig } from "./config.ts";
import { decoder, type Traits } from "./decoder.ts";
import { type ExpertRows, expertsOf, placedExperts, unsupportedExperts } from "./experts.ts";
import { fusedTensors } from "./fused.ts";
import { decoderTensors } from "./tensors.ts";

/** 1 means no factor: the graph then has no node for it. */
const factor = (value: number | null | undefined): number | undefined =>
  value === 1 ? undefined : value ?? undefined;

/** Traits that both classes share. */
const common = (config: ModelConfig): Traits => ({
  attention: {
    scale: config.attention_multiplier!,
    ...(config.attention_bias ? { bias: "qkvo" } : {}),
  },
  embedding_scale: factor(config.embedding_multiplier),
  residual_scale: factor(config.residual_multiplier),
  logit_scale: config.logits_scaling ? factor(1 / config.logits_scaling) : undefined,
});

/** GraniteForCausalLM. */
export const granite = decoder({
  classes: ["GraniteForCausalLM"],
  defaults: { attention_multiplier: 1 },
  traits: (config) => ({
    ...common(config),
    mlp: config.mlp_bias ? { bias: true } : undefined,
  }),
});

/**
 * Where the rows of gate (`part` 0) or up (1) stand: for each expert the rows of both follow each
 * other in one tensor [experts, 2 * I, H].
 */
const inputRows = (part: 0 | 1): ExpertRows => (prefix, { experts, intermediate, hidden }) => {
  const name = `${prefix}block_sparse_moe.input_linear.weight`;
  const shape = [experts!.count, 2 * intermediate, hidden];
  const stacked = Array.from({ length: experts!.count }, (_, expert) => ({
    name,
    within: { shape, firstRow: (2 * expert + part) * intermediate },
  }));
  return { name, stacked };
};

/** Where the rows of down stand: [experts, H, I]. */
const outputRows: ExpertRows = (prefix, { experts, intermediate, hidden }) => ({
  name: `${prefix}block_sparse_moe.output_linear.weight`,
  within: { shape: [experts!.count, hidden, intermediate], firstRow: 0 },
});

const ROUTER = { "mlp.router": "block_sparse_moe.router.layer.weight" };

const PLACES = {
  "mlp.experts.gate": inputRows(0),
  "mlp.experts.up": inputRows(1),
  "mlp.experts.down": outputRows,
};

const MOE_DEFAULTS = { attention_multiplier: 1, num_local_experts: 8, num_experts_per_tok: 2 };

/** GraniteMoeForCausalLM. */
export const graniteMoe = decoder({
  classes: ["GraniteMoeForCausalLM"],
  defaults: MOE_DEFAULTS,
  unsupported: unsupportedExperts,
  traits: (config) => ({ ...common(config), experts: expertsOf(config, true) }),
  tensors: (geometry) => placedExperts(decoderTensors(geometry, ROUTER), geometry, PLACES),
});

/** Where the rows of gate or up of the MLP beside the experts stand: in one tensor, gate first. */
const sharedRows = (part: 0 | 1): ExpertRows => (prefix, { hidden, experts }) => {
  const { intermediate } = experts!.shared!;
  return {
    name: `${prefix}shared_mlp.input_linear.weight`,
    within: { shape: [2 * intermediate, hidden], firstRow: part * intermediate },
  };
};

/** GraniteMoeSharedForCausalLM. */
export const graniteMoeShared = decoder({
  classes: ["GraniteMoeSharedForCausalLM"],
  defaults: { ...MOE_DEFAULTS, shared_intermediate_size: 0 },
  unsupported: unsupportedExperts,
  traits(config) {
    const width = config.shared_intermediate_size!;
    const shared = width > 0 ? { shared: { intermediate: width } } : {};
    return { ...common(config), experts: { ...expertsOf(config, true), ...shared } };
  },
  tensors: besideShared,
});

/** Tensors of a mixture of experts beside an MLP for all rows. */
function besideShared(geometry: Geometry): TensorPlan {
  return placedExperts(
    decoderTensors(geometry, { ...ROUTER, "mlp.shared.down": "shared_mlp.output_linear.weight" }),
    geometry,
    { ...PLACES, "mlp.shared.gate": sharedRows(0), "mlp.shared.up": sharedRows(1) },
  );
}

/** Tensors of a Granite 4 without experts: its one MLP has the name of the shared one. */
const DENSE_NAMES = { "mlp.down": "shared_mlp.output_linear.weight" };
const DENSE_FUSED = { "shared_mlp.input_linear.weight": ["mlp.gate", "mlp.up"] };

/** GraniteMoeHybridForCausalLM, as far as its layers have attention. */
export const graniteHybrid = decoder({
  classes: ["GraniteMoeHybridForCausalLM"],
  defaults: { ...MOE_DEFAULTS, shared_intermediate_size: 1024 },
  layerTypes: ["attention", "full_attention"],
  skipsRotation: ({ position_embedding_type }) => position_embedding_type !== "rope",
  unsupported: (config) => [
    ...(config.layer_types ? [] : ["no layer_types, which stands for state-space layers"]),
    ...(config.num_local_experts === 0 ? [] : unsupportedExperts(config)),
    ...(config.shared_intermediate_size === 0 ? ["shared_intermediate_size 0"] : []),
  ],
  traits(config) {
    if (config.num_local_experts === 0) return common(config);
    const shared = { intermediate: config.shared_intermediate_size! };
    return { ...common(config), experts: { ...expertsOf(config, true), shared } };
  },
  adjusted: (geometry, config) =>
    geometry.experts ? geometry : { ...geometry, intermediate: config.shared_intermediate_size! },
  tensors: (geometry) =>
    geometry.experts
      ? besideShared(geometry)
      : fusedTensors(decoderTensors(geometry, DENSE_NAMES), DENSE_FUSED),
});
