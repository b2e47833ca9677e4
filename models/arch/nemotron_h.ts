/**
 * Nemotron H, Nemotron Nano 2 and Nemotron 3 Nano: each layer is one half alone, by a pattern: a
 * Mamba 2 recurrence, attention without rotation, an MLP without gate, or experts without gates
 * beside an MLP.
 *
 * transformers raises the steps of a prompt, but not those of single tokens, to `time_step_min`; NVIDIA's
 * own program does not, and neither is it done here.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { ModelConfig } from "./config.ts";
import { decoder, layersWhere } from "./decoder.ts";
import {
  denseOf,
  expertsOf,
  groupsOf,
  ofEach,
  placedExperts,
  unsupportedExperts,
} from "./experts.ts";
import { inBackbone, MIXER_NAMES, type Recurrence, unsupportedSteps } from "./mamba.ts";
import { decoderTensors, type LayerNames } from "./tensors.ts";

/** What a layer may be, by its letter in `hybrid_override_pattern`. */
const KINDS = { M: "linear_attention", "*": "full_attention", "-": "mlp", E: "moe" } as const;

/** Names in `layers_block_type` that became others. */
const FORMER_KINDS: Record<string, string> = {
  mamba: "linear_attention",
  attention: "full_attention",
};

/** What layers are where config.json does not say. */
const DEFAULT_PATTERN = "ME*-";

/** What each layer is; a letter that is not known stands for itself. */
function kindsOf(config: ModelConfig): string[] {
  const types = config.layers_block_type ?? config.layer_types;
  if (types) return types.map((type) => FORMER_KINDS[type] ?? type);
  return Array.from(
    config.hybrid_override_pattern ?? DEFAULT_PATTERN,
    (letter) => KINDS[letter as keyof typeof KINDS] ?? letter,
  );
}

/** Layers in a config.json that transformers 5 wrote, which does not count them. */
function countOf(stated: Readonly<Record<string, unknown>>): number {
  const { layers_block_type, layer_types, hybrid_override_pattern: pattern } = stated;
  const types = [layers_block_type, layer_types].find(Array.isArray);
  return (types ?? (typeof pattern === "string" ? pattern : DEFAULT_PATTERN)).length;
}

/** Layers (0-based) of these kinds. */
const layersOf = (config: ModelConfig, ...kinds: string[]): number[] => {
  const all = kindsOf(config);
  return layersWhere(config, (layer) => kinds.includes(all[layer]));
};

function recurrenceOf(config: ModelConfig): Recurrence | undefined {
  const layers = layersOf(config, KINDS.M);
  return layers.length === 0 ? undefined : {
    layers,
    heads: config.mamba_num_heads!,
    head_dim: config.mamba_head_dim!,
    state: config.ssm_state_size!,
    groups: config.n_groups!,
    kernel: config.conv_kernel!,
    ...(config.use_conv_bias && { kernel_bias: true }),
    ...(config.use_bias && { bias: true }),
  };
}

function expertsIn(config: ModelConfig): Geometry["experts"] {
  if (layersOf(config, KINDS.E).length === 0) return undefined;
  const scale = config.routed_scaling_factor!;
  return {
    ...expertsOf(config, config.norm_topk_prob!),
    scores: "sigmoid",
    correction: true,
    ...groupsOf(config, "two"),
    ...(scale !== 1 && { scale }),
    shared: { intermediate: config.moe_shared_expert_intermediate_size! },
    ...denseOf(config, layersOf(config, KINDS["-"])),
  };
}

/** Settings that are not supported, in words. */
function unsupported(config: ModelConfig): string[] {
  const kinds = kindsOf(config);
  const known: string[] = Object.values(KINDS);
  const others = new Set(kinds.filter((kind) => !known.includes(kind)));
  const { mamba_num_heads: heads, n_groups: groups, mamba_hidden_act: activation } = config;
  const sparse = kinds.includes(KINDS.E);
  return [
    ...Array.from(others, (kind) => `a layer ${kind} (supported: ${known.join(", ")})`),
    ...(kinds.length === config.num_hidden_layers
      ? []
      : [`a pattern of ${kinds.length} of its ${config.num_hidden_layers} layers`]),
    ...(activation === "silu" ? [] : [`mamba_hidden_act ${activation} (supported: silu)`]),
    ...(heads! % groups! === 0
      ? []
      : [`n_groups ${groups} (supported: a divisor of mamba_num_heads ${heads})`]),
    ...unsupportedSteps(config),
    ...(config.attention_bias ? ["attention_bias true (supported: false)"] : []),
    ...(sparse ? unsupportedExperts(config, "two") : []),
    ...(sparse && config.mlp_bias ? ["mlp_bias true beside experts (supported: false)"] : []),
    ...(sparse && config.moe_latent_size
      ? [`moe_latent_size ${config.moe_latent_size} (supported: null)`]
      : []),
  ];
}

const NAMES: LayerNames = {
  ...MIXER_NAMES,
  "mlp_norm": "norm.weight",
  ...Object.fromEntries(
    ["q", "k", "v", "o"].map((part) => [`attn.${part}`, `mixer.${part}_proj.weight`]),
  ),
  ...Object.fromEntries(
    ["up", "down"].flatMap((part) => [
      [`mlp.${part}`, `mixer.${part}_proj.weight`],
      [`mlp.${part}_bias`, `mixer.${part}_proj.bias`],
      [`mlp.shared.${part}`, `mixer.shared_experts.${part}_proj.weight`],
    ]),
  ),
  "mlp.router": "mixer.gate.weight",
  "mlp.router_correction": "mixer.gate.e_score_correction_bias",
};

const PLACES = Object.fromEntries(
  ["up", "down"].map((part) => [
    `mlp.experts.${part}`,
    ofEach((expert) => `mixer.experts.${expert}.${part}_proj.weight`),
  ]),
);

/** NemotronHForCausalLM. */
export const nemotronH = decoder({
  classes: ["NemotronHForCausalLM"],
  defaults: {
    num_key_value_heads: 8,
    max_position_embeddings: 4096,
    mlp_hidden_act: "relu2",
    layer_norm_epsilon: 1e-5,
    mamba_num_heads: 128,
    mamba_head_dim: 64,
    mamba_hidden_act: "silu",
    ssm_state_size: 128,
    n_groups: 8,
    conv_kernel: 4,
    use_conv_bias: true,
    use_bias: false,
    moe_intermediate_size: 7688,
    moe_shared_expert_intermediate_size: 7688,
    n_routed_experts: 8,
    num_experts_per_tok: 2,
    routed_scaling_factor: 1,
    norm_topk_prob: true,
    n_group: 1,
    topk_group: 1,
  },
  derived: (stated) => ({
    num_hidden_layers: countOf(stated),
    head_dim: stated.attention_head_dim ?? 128,
  }),
  activation: "relu2",
  activationField: "mlp_hidden_act",
  epsilonField: "layer_norm_epsilon",
  layerTypes: [...Object.values(KINDS), ...Object.keys(FORMER_KINDS)],
  skipsRotation: () => true,
  unsupported,
  traits: (config) => ({
    alone: {
      mixer: layersOf(config, KINDS.M, KINDS["*"]),
      mlp: layersOf(config, KINDS["-"], KINDS.E),
    },
    recurrence: recurrenceOf(config),
    mlp: { activation: "relu2", gated: false, ...(config.mlp_bias && { bias: true }) },
    experts: expertsIn(config),
  }),
  adjusted: (geometry, config) =>
    geometry.experts
      ? { ...geometry, intermediate: Number(config.moe_intermediate_size) }
      : geometry,
  tensors: (geometry) =>
    inBackbone(
      placedExperts(decoderTensors(geometry, NAMES, "model.norm_f.weight"), geometry, PLACES),
    ),
});
