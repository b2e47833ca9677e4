/**
 * Qwen3-Next and Qwen 3.5: of four layers three have a recurrent state (the gated delta rule) in
 * place of attention, and attention has a gate. Qwen3-Next and Qwen 3.5 MoE have mixtures of experts
 * beside an MLP whose output is weighed.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { RowsWithin, TensorPlan, TensorSpec } from "./architecture.ts";
import type { ModelConfig } from "./config.ts";
import { decoder, layersWhere, type Traits } from "./decoder.ts";
import {
  downOfAll,
  EXPERT_PLACES,
  expertsOf,
  gateAboveUp,
  placedExperts,
  sparseStepDense,
  unsupportedExperts,
} from "./experts.ts";
import { SHARED_EXPERT } from "./qwen.ts";
import { decoderTensors, type LayerNames } from "./tensors.ts";

const NAMES: LayerNames = {
  "state.in": "linear_attn.in_proj_qkv.weight",
  "state.gate": "linear_attn.in_proj_z.weight",
  "state.write": "linear_attn.in_proj_b.weight",
  "state.step": "linear_attn.in_proj_a.weight",
  "state.kernel": "linear_attn.conv1d.weight",
  "state.step_bias": "linear_attn.dt_bias",
  "state.decay": "linear_attn.A_log",
  "state.norm": "linear_attn.norm.weight",
  "state.out": "linear_attn.out_proj.weight",
};

/** Of how many layers one has attention, where config.json does not name the types. */
const INTERVAL = 4;

/** Layers (0-based) with a recurrent state. */
function stateLayers(config: ModelConfig): number[] {
  const { layer_types: types, full_attention_interval: interval } = config;
  return layersWhere(
    config,
    (layer) =>
      types ? types[layer] === "linear_attention" : (layer + 1) % (interval ?? INTERVAL) !== 0,
  );
}

function traits(config: ModelConfig): Traits {
  const layers = stateLayers(config);
  return {
    attention: { qk_norm: true, gate: true },
    norms: { offset: 1 },
    recurrence: layers.length === 0 ? undefined : {
      rule: "delta",
      layers,
      heads: config.linear_num_value_heads!,
      head_dim: config.linear_value_head_dim!,
      state: config.linear_key_head_dim!,
      groups: config.linear_num_key_heads!,
      kernel: config.linear_conv_kernel_dim!,
    },
  };
}

/** Settings that are not supported, in words. */
function unsupported(config: ModelConfig): string[] {
  const { linear_num_value_heads: heads, linear_num_key_heads: groups } = config;
  return [
    ...(config.attention_bias ? ["attention_bias true (supported: false)"] : []),
    ...(heads! % groups! === 0
      ? []
      : [`linear_num_key_heads ${groups} (supported: a divisor of ${heads} value heads)`]),
  ];
}

/** A tensor whose rows are these pieces of another one, each of `rows` rows. */
function pieces(
  spec: TensorSpec,
  name: string,
  { shape, rows, firsts }: { shape: number[]; rows: number; firsts: number[] },
): TensorSpec {
  const stacked = firsts.map((firstRow): { name: string; within: RowsWithin } => ({
    name,
    within: { shape, firstRow },
  }));
  return rows * firsts.length === spec.shape[0] ? { ...spec, name, stacked } : spec;
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Queries and gates of attention, which stand in one tensor, those of a head behind each other. */
function gatedQueries(spec: TensorSpec, prefix: string, geometry: Geometry): TensorSpec {
  if (spec.key !== "attn.q" && spec.key !== "attn.gate") return spec;
  const { heads, head_dim, hidden } = geometry;
  const part = spec.key === "attn.q" ? 0 : 1;
  return pieces(spec, `${prefix}self_attn.q_proj.weight`, {
    shape: [2 * heads * head_dim, hidden],
    rows: head_dim,
    firsts: upTo(heads).map((head) => (2 * head + part) * head_dim),
  });
}

/**
 * The projections of a recurrence in Qwen3-Next: of each group of heads the rows for queries, keys,
 * values and gates stand behind each other in one tensor, those for writing and steps in another.
 */
function grouped(spec: TensorSpec, prefix: string, geometry: Geometry): TensorSpec {
  if (!geometry.recurrence) return spec;
  const { heads, head_dim, state, groups } = geometry.recurrence;
  const each = heads / groups;
  const values = each * head_dim;
  const size = 2 * state + 2 * values;
  /** Rows of this many at each multiple of a common divisor, since all pieces must be alike. */
  const unit = divisor(state, values);
  const ranges = (first: number, rows: number) =>
    upTo(groups).flatMap((group) => upTo(rows / unit).map((i) => group * size + first + i * unit));
  const all = `${prefix}linear_attn.in_proj_qkvz.weight`;
  const shape = [groups * size, geometry.hidden];
  const small = (first: number) => ({
    shape: [2 * heads, geometry.hidden],
    rows: each,
    firsts: upTo(groups).map((group) => group * 2 * each + first),
  });
  switch (spec.key) {
    case "state.in": {
      const firsts = [
        ...ranges(0, state),
        ...ranges(state, state),
        ...ranges(2 * state, values),
      ];
      return pieces(spec, all, { shape, rows: unit, firsts });
    }
    case "state.gate":
      return pieces(spec, all, { shape, rows: unit, firsts: ranges(2 * state + values, values) });
    case "state.write":
      return pieces(spec, `${prefix}linear_attn.in_proj_ba.weight`, small(0));
    case "state.step":
      return pieces(spec, `${prefix}linear_attn.in_proj_ba.weight`, small(each));
    default:
      return spec;
  }
}

/** The greatest common divisor. */
const divisor = (a: number, b: number): number => b === 0 ? a : divisor(b, a % b);

/** The plan with the tensors of its layers elsewhere. */
function placed(
  plan: TensorPlan,
  geometry: Geometry,
  place: (spec: TensorSpec, prefix: string, geometry: Geometry) => TensorSpec,
): TensorPlan {
  const layers = plan.layers.map((specs, layer) =>
    specs.map((spec) => place(spec, `model.layers.${layer}.`, geometry))
  );
  return { ...plan, layers };
}

const DEFAULTS = {
  num_key_value_heads: 4,
  max_position_embeddings: 32768,
  head_dim: 256,
  partial_rotary_factor: 0.25,
  linear_conv_kernel_dim: 4,
  linear_key_head_dim: 128,
  linear_value_head_dim: 128,
  linear_num_key_heads: 16,
  linear_num_value_heads: 32,
};

const COMMON = {
  partialRotation: true,
  layerTypes: ["full_attention", "linear_attention"],
} as const;

/** Qwen3_5ForCausalLM. */
export const qwen35 = decoder({
  ...COMMON,
  classes: ["Qwen3_5ForCausalLM"],
  defaults: DEFAULTS,
  unsupported,
  traits,
  tensors: (geometry) => placed(decoderTensors(geometry, NAMES), geometry, gatedQueries),
});

/** Qwen3NextForCausalLM. */
export const qwen3Next = decoder({
  ...COMMON,
  classes: ["Qwen3NextForCausalLM"],
  defaults: {
    ...DEFAULTS,
    num_key_value_heads: 2,
    moe_intermediate_size: 512,
    shared_expert_intermediate_size: 512,
    num_experts: 512,
    num_experts_per_tok: 10,
    norm_topk_prob: true,
  },
  widthField: "moe_intermediate_size",
  unsupported: (config) => [...unsupported(config), ...unsupportedExperts(config)],
  traits: (config) => ({
    ...traits(config),
    experts: {
      ...expertsOf(config, config.norm_topk_prob!),
      ...sparseStepDense(config),
      shared: { intermediate: config.shared_expert_intermediate_size!, weighed: true },
    },
  }),
  tensors(geometry) {
    const plan = decoderTensors(geometry, { ...NAMES, ...SHARED_EXPERT });
    const own = placed(placed(plan, geometry, gatedQueries), geometry, grouped);
    return placedExperts(own, geometry, EXPERT_PLACES);
  },
});

/** In checkpoints of the hub, a tensor of all experts of a layer; transformers writes one of each. */
const FUSED_EXPERTS = "mlp.experts.gate_up_proj";

const FUSED_PLACES = {
  "mlp.experts.gate": gateAboveUp(FUSED_EXPERTS, 0),
  "mlp.experts.up": gateAboveUp(FUSED_EXPERTS, 1),
  "mlp.experts.down": downOfAll("mlp.experts.down_proj"),
};

/** Qwen3_5MoeForCausalLM. */
export const qwen35Moe = decoder({
  ...COMMON,
  classes: ["Qwen3_5MoeForCausalLM"],
  defaults: {
    ...DEFAULTS,
    num_key_value_heads: 2,
    intermediate_size: 512, // of no layer: each has experts
    moe_intermediate_size: 512,
    shared_expert_intermediate_size: 512,
    num_experts: 256,
    num_experts_per_tok: 8,
  },
  widthField: "moe_intermediate_size",
  unsupported: (config) => [...unsupported(config), ...unsupportedExperts(config)],
  traits: (config) => ({
    ...traits(config),
    experts: {
      ...expertsOf(config, true),
      shared: { intermediate: config.shared_expert_intermediate_size!, weighed: true },
    },
  }),
  tensors(geometry, has) {
    const plan = decoderTensors(geometry, { ...NAMES, ...SHARED_EXPERT });
    const places = has?.(`model.layers.0.${FUSED_EXPERTS}`) ? FUSED_PLACES : EXPERT_PLACES;
    return placedExperts(placed(plan, geometry, gatedQueries), geometry, places);
  },
});
