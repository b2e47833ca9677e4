/**
 * Falcon H1: every layer has attention and a Mamba 2 recurrence side by side, and nearly every
 * product a factor of its own.
 *
 * @module
 */
import type { ModelConfig } from "./config.ts";
import { decoder } from "./decoder.ts";
import {
  expandedWidth,
  feedForwardTensors,
  MAMBA_DEFAULTS,
  mambaRecurrence,
  unsupportedMamba,
} from "./mamba.ts";

/** 1 means no factor: the graph then has no node for it. */
const factor = (value: number | null | undefined): number | undefined =>
  value === 1 ? undefined : value ?? undefined;

const width = (config: ModelConfig): number => config.mamba_d_ssm ?? expandedWidth(config);

/** The recurrence of all layers. */
function recurrenceOf(config: ModelConfig) {
  const layers = Array.from({ length: config.num_hidden_layers }, (_, layer) => layer);
  const input = config.ssm_in_multiplier!;
  const factors = (config.ssm_multipliers ?? [1, 1, 1, 1, 1]).map((value) => input * value);
  const norm = config.mamba_rms_norm ? config.mamba_norm_before_gate && "first" : "none";
  return {
    ...mambaRecurrence(config, layers, width(config)),
    ...(norm && { norm: norm as "first" | "none" }),
    ...(factors.some((value) => value !== 1) && { factors }),
    beside: {
      state: config.ssm_out_multiplier!,
      attention: config.attention_in_multiplier! * config.attention_out_multiplier!,
    },
  };
}

/** FalconH1ForCausalLM. */
export const falconH1 = decoder({
  classes: ["FalconH1ForCausalLM"],
  defaults: {
    ...MAMBA_DEFAULTS,
    num_key_value_heads: 8,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-5,
    mamba_d_ssm: 1024,
    mamba_norm_before_gate: true,
    mamba_rms_norm: false,
    projectors_bias: false,
    lm_head_multiplier: 1,
    embedding_multiplier: 1,
    key_multiplier: 1,
    attention_in_multiplier: 1,
    attention_out_multiplier: 1,
    ssm_in_multiplier: 1,
    ssm_out_multiplier: 1,
  },
  unsupported: (config) => [
    ...unsupportedMamba(config, recurrenceOf(config), {
      width: width(config),
      expected: "mamba_d_ssm, or mamba_expand times hidden_size",
    }),
    // The factors of what biased projections read cannot be taken for factors of what they give.
    ...(config.attention_bias ? ["attention_bias true (supported: false)"] : []),
    ...(config.mamba_proj_bias ? ["mamba_proj_bias true (supported: false)"] : []),
    ...(config.projectors_bias ? ["projectors_bias true (supported: false)"] : []),
  ],
  traits(config) {
    const { attention_in_multiplier: input, key_multiplier: key, mlp_multipliers } = config;
    // Queries and keys both come from rows that were multiplied by `input`.
    const scores = input! * input! * key!;
    const headDim = config.head_dim ?? Math.floor(config.hidden_size / config.num_attention_heads);
    const [gate, down] = mlp_multipliers ?? [1, 1];
    const mlp = {
      ...(config.mlp_bias && { bias: true }),
      ...(factor(gate) !== undefined && { gate_scale: gate }),
      ...(factor(down) !== undefined && { scale: down }),
    };
    return {
      attention: scores === 1 ? undefined : { scale: scores / Math.sqrt(headDim) },
      embedding_scale: factor(config.embedding_multiplier),
      logit_scale: factor(config.lm_head_multiplier),
      mlp: Object.keys(mlp).length > 0 ? mlp : undefined,
      recurrence: recurrenceOf(config),
    };
  },
  tensors: feedForwardTensors,
});
