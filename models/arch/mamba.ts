/**
 * What families with Mamba 2 layers share: their recurrence, from the fields of config.json.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { TensorPlan, TensorSpec } from "./architecture.ts";
import type { ModelConfig } from "./config.ts";
import { decoderTensors, type LayerNames } from "./tensors.ts";

/** A recurrence as a geometry has it. */
export type Recurrence = NonNullable<Geometry["recurrence"]>;

/** Fields of config.json with their defaults in transformers. */
export const MAMBA_DEFAULTS = {
  mamba_n_heads: 128,
  mamba_n_groups: 1,
  mamba_d_state: 256,
  mamba_d_head: "auto",
  mamba_d_conv: 4,
  mamba_expand: 2,
  mamba_conv_bias: true,
  mamba_proj_bias: false,
} as const;

const FEED_FORWARD: LayerNames = {
  "mlp_norm": "pre_ff_layernorm.weight",
  "mlp.gate": "feed_forward.gate_proj.weight",
  "mlp.up": "feed_forward.up_proj.weight",
  "mlp.down": "feed_forward.down_proj.weight",
  "mlp.gate_bias": "feed_forward.gate_proj.bias",
  "mlp.up_bias": "feed_forward.up_proj.bias",
  "mlp.down_bias": "feed_forward.down_proj.bias",
};

/** Tensors of families that call their MLP `feed_forward` (Bamba, Falcon H1). */
export function feedForwardTensors(geometry: Geometry): TensorPlan {
  return decoderTensors(geometry, FEED_FORWARD, "model.final_layernorm.weight");
}

/**
 * The plan under the names that Mamba has for what stands around its layers, whose one half has one
 * name and one norm, whatever it is.
 */
export function inBackbone(plan: TensorPlan): TensorPlan {
  const named = (name: string) =>
    name.replace("model.embed_tokens.", "backbone.embeddings.")
      .replace("model.norm_f.", "backbone.norm_f.").replace(/^model\./, "backbone.");
  const renamed = (spec: TensorSpec): TensorSpec => ({
    ...spec,
    name: named(spec.name),
    ...(spec.stacked && {
      stacked: spec.stacked.map((part) => ({ ...part, name: named(part.name) })),
    }),
  });
  return {
    embedding: plan.embedding.map(renamed),
    layers: plan.layers.map((specs) => specs.map(renamed)),
    head: plan.head.map(renamed),
  };
}

/** Names of a recurrence that is the one half of its layer. */
export const MIXER_NAMES: LayerNames = {
  "attn_norm": "norm.weight",
  ...Object.fromEntries(
    Object.entries({
      in: "in_proj.weight",
      in_bias: "in_proj.bias",
      kernel: "conv1d.weight",
      kernel_bias: "conv1d.bias",
      step_bias: "dt_bias",
      decay: "A_log",
      skip: "D",
      norm: "norm.weight",
      out: "out_proj.weight",
      out_bias: "out_proj.bias",
    }).map(([key, name]) => [`state.${key}`, `mixer.${name}`]),
  ),
};

/** The recurrence of these layers (0-based), whose heads are together `width` wide. */
export function mambaRecurrence(config: ModelConfig, layers: number[], width: number): Recurrence {
  const heads = config.mamba_n_heads!;
  const stated = config.mamba_d_head;
  return {
    layers,
    heads,
    head_dim: typeof stated === "number" ? stated : Math.floor(width / heads),
    state: config.mamba_d_state!,
    groups: config.mamba_n_groups!,
    kernel: config.mamba_d_conv!,
    ...(config.mamba_conv_bias && { kernel_bias: true }),
    ...(config.mamba_proj_bias && { bias: true }),
  };
}

/** `mamba_expand` times the width of the residual stream. */
export const expandedWidth = (config: ModelConfig): number =>
  Math.floor(config.mamba_expand! * config.hidden_size);

/** Settings of a recurrence that are not supported, in words; `expected` says what `width` is. */
export function unsupportedMamba(
  config: ModelConfig,
  { heads, head_dim, groups }: Recurrence,
  { width, expected }: { width: number; expected: string },
): string[] {
  return [
    ...(heads * head_dim === width
      ? []
      : [`mamba_n_heads ${heads} of mamba_d_head ${head_dim} (supported: ${width}, ${expected})`]),
    ...(heads % groups === 0
      ? []
      : [`mamba_n_groups ${groups} (supported: a divisor of mamba_n_heads ${heads})`]),
    ...unsupportedSteps(config),
  ];
}

/** Limits of the steps, in words; empty: there are none. */
export function unsupportedSteps({ time_step_limit }: ModelConfig): string[] {
  const [least, most] = time_step_limit ?? [0, Infinity];
  return [
    ...(least === 0 && most === Infinity
      ? []
      : [`time_step_limit ${least}, ${most} (supported: none)`]),
  ];
}
