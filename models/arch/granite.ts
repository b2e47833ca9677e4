/**
 * Granite 3: Llama with factors of embedding, scores, residual updates and logits. Granite 3 MoE:
 * the same with a mixture of experts in every layer, in a later class beside an MLP for all rows.
 * Granite 4: that class, with or without experts; most of its layers have a state space (Mamba 2).
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { TensorPlan } from "./architecture.ts";
import type { ModelConfig } from "./config.ts";
import { decoder, layersWhere, type Traits } from "./decoder.ts";
import {
  downOfAll,
  type ExpertRows,
  expertsOf,
  gateAboveUp,
  placedExperts,
  unsupportedExperts,
} from "./experts.ts";
import { fusedTensors } from "./fused.ts";
import { expandedWidth, MAMBA_DEFAULTS, mambaRecurrence, unsupportedMamba } from "./mamba.ts";
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

const EXPERT_INPUTS = "block_sparse_moe.input_linear.weight";

const ROUTER = { "mlp.router": "block_sparse_moe.router.layer.weight" };

const PLACES = {
  "mlp.experts.gate": gateAboveUp(EXPERT_INPUTS, 0),
  "mlp.experts.up": gateAboveUp(EXPERT_INPUTS, 1),
  "mlp.experts.down": downOfAll("block_sparse_moe.output_linear.weight"),
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

/** Names of the layers with a state space: of checkpoints, and as transformers 5 writes it. */
const STATE_LAYERS = ["mamba", "linear_attention"];

/** The layers (0-based) with a state space: all, where config.json does not name the types. */
const stateLayers = (config: ModelConfig): number[] =>
  layersWhere(
    config,
    (layer) => !config.layer_types || STATE_LAYERS.includes(config.layer_types[layer]),
  );

/** The recurrence of the layers with a state space. */
function recurrenceOf(config: ModelConfig): Geometry["recurrence"] {
  const layers = stateLayers(config);
  return layers.length > 0 ? mambaRecurrence(config, layers, expandedWidth(config)) : undefined;
}

/** Settings of layers with a state space that are not supported, in words. */
function unsupportedStates(config: ModelConfig): string[] {
  const recurrence = recurrenceOf(config);
  if (!recurrence) return [];
  const expected = "mamba_expand times hidden_size";
  return unsupportedMamba(config, recurrence, { width: expandedWidth(config), expected });
}

/** GraniteMoeHybridForCausalLM. */
export const graniteHybrid = decoder({
  classes: ["GraniteMoeHybridForCausalLM"],
  defaults: {
    ...MOE_DEFAULTS,
    shared_intermediate_size: 1024,
    ...MAMBA_DEFAULTS,
  },
  layerTypes: ["attention", "full_attention", ...STATE_LAYERS],
  skipsRotation: ({ position_embedding_type }) => position_embedding_type !== "rope",
  unsupported: (config) => [
    ...(config.num_local_experts === 0 ? [] : unsupportedExperts(config)),
    ...(config.shared_intermediate_size === 0 ? ["shared_intermediate_size 0"] : []),
    ...unsupportedStates(config),
  ],
  traits(config) {
    const traits = { ...common(config), recurrence: recurrenceOf(config) };
    if (config.num_local_experts === 0) return traits;
    const shared = { intermediate: config.shared_intermediate_size! };
    return { ...traits, experts: { ...expertsOf(config, true), shared } };
  },
  adjusted: (geometry, config) =>
    geometry.experts ? geometry : { ...geometry, intermediate: config.shared_intermediate_size! },
  tensors: (geometry) =>
    geometry.experts
      ? besideShared(geometry)
      : fusedTensors(decoderTensors(geometry, DENSE_NAMES), DENSE_FUSED),
});
