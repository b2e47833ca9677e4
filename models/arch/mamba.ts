/**
 * What families with Mamba 2 layers share: their recurrence, from the fields of config.json.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { TensorPlan } from "./architecture.ts";
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
  const [least, most] = config.time_step_limit ?? [0, Infinity];
  return [
    ...(heads * head_dim === width
      ? []
      : [`mamba_n_heads ${heads} of mamba_d_head ${head_dim} (supported: ${width}, ${expected})`]),
    ...(heads % groups === 0
      ? []
      : [`mamba_n_groups ${groups} (supported: a divisor of mamba_n_heads ${heads})`]),
    ...(least === 0 && most === Infinity
      ? []
      : [`time_step_limit ${least}, ${most} (supported: none)`]),
  ];
}
