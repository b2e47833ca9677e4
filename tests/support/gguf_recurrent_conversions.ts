/**
 * How llama.cpp's converter writes families with recurrent layers, for tests of the reader.
 *
 * @module
 */
import { type Config, type Conversion, fieldsOf, type Values } from "./gguf_converter.ts";
import { ggufF32, type GgufField, ggufU32 } from "./gguf_writer.ts";

const number = (config: Config, field: string): number => Number(config[field]);

/** Rows from `first` on, `count` of them; a vector's elements are rows of one. */
function rowsOf({ shape, values }: Values, first: number, count: number): Values {
  const width = values.length / shape[0];
  const part = values.slice(first * width, (first + count) * width);
  return { shape: [count, ...shape.slice(1)], values: part };
}

/** Tensors below each other. */
function joined(parts: Values[]): Values {
  const rows = parts.reduce((sum, { shape }) => sum + shape[0], 0);
  const values = Float32Array.from(parts.flatMap((part) => [...part.values]));
  return { shape: [rows, ...parts[0].shape.slice(1)], values };
}

const transposed = ({ shape: [rows, columns], values }: Values): Values => ({
  shape: [columns, rows],
  values: Float32Array.from(
    values,
    (_, i) => values[i % rows * columns + Math.floor(i / rows)],
  ),
});

const scaled = ({ shape, values }: Values, factor: number): Values => ({
  shape,
  values: values.map((value) => value * factor),
});

/** What is written of the logarithms of decays. */
const decays = ({ shape, values }: Values): Values => ({
  shape,
  values: values.map((value) => -Math.exp(value)),
});

/** Vectors of Mamba 2 as matrices: decays and shares of one column, gains of a row a group. */
function mamba(name: string, tensor: Values, config: Config): [string, Values][] {
  const [count] = tensor.shape;
  if (name.endsWith("A_log")) return [[name, { ...decays(tensor), shape: [count, 1] }]];
  if (name.endsWith("mamba.D")) return [[name, { ...tensor, shape: [count, 1] }]];
  if (!name.endsWith("mamba.norm.weight")) return [[name, tensor]];
  const groups = number(config, "mamba_n_groups");
  return [[name, { ...tensor, shape: [groups, count / groups] }]];
}

const mambaFields = fieldsOf({
  "ssm.conv_kernel": "mamba_d_conv",
  "ssm.state_size": "mamba_d_state",
  "ssm.group_count": "mamba_n_groups",
  "ssm.time_step_rank": "mamba_n_heads",
});

/** Nemotron H: its MLPs and experts have a width in the layers that are one. */
const nemotronH: Conversion = {
  permuted: true,
  changed(name, tensor, config) {
    if (/mixer\.(A_log|D)$/.test(name)) {
      const values = name.endsWith("D") ? tensor : decays(tensor);
      return [[name, { ...values, shape: [tensor.shape[0], 1] }]];
    }
    if (name.endsWith("mixer.norm.weight")) {
      const groups = number(config, "n_groups");
      return [[name, { ...tensor, shape: [groups, tensor.shape[0] / groups] }]];
    }
    const experts = name.includes(".experts.");
    return [[experts ? name.replace("backbone", "model").replace("mixer", "mlp") : name, tensor]];
  },
  extra(config) {
    const kinds = config.layers_block_type as string[];
    const sparse = kinds.includes("moe");
    const widths: Record<string, number> = {
      mlp: number(config, "intermediate_size"),
      moe: number(config, "moe_intermediate_size"),
    };
    return {
      ...fieldsOf({
        "ssm.conv_kernel": "conv_kernel",
        "ssm.state_size": "ssm_state_size",
        "ssm.group_count": "n_groups",
        "ssm.time_step_rank": "mamba_num_heads",
      })(config),
      "ssm.inner_size": ggufU32(
        number(config, "mamba_num_heads") * number(config, "mamba_head_dim"),
      ),
      "block_count": ggufU32(kinds.length),
      "rope.dimension_count": ggufU32(
        number(config, "hidden_size") / number(config, "num_attention_heads"),
      ),
      "attention.layer_norm_rms_epsilon": ggufF32(config.layer_norm_epsilon),
      "attention.head_count_kv": headCounts(kinds.map((kind) => kind === "full_attention"), config),
      "feed_forward_length": {
        type: "u32",
        value: kinds.map((kind) => widths[kind] ?? 0),
      },
      ...(sparse && {
        ...fieldsOf({
          "expert_count": "n_routed_experts",
          "expert_used_count": "num_experts_per_tok",
          "expert_feed_forward_length": "moe_intermediate_size",
          "expert_shared_feed_forward_length": "moe_shared_expert_intermediate_size",
          "expert_group_count": "n_group",
        })(config),
        "expert_weights_norm": { type: "bool", value: true },
        "expert_weights_scale": ggufF32(config.routed_scaling_factor),
      }),
    };
  },
};

/** Heads of keys and values of each layer: none where it has no attention. */
const headCounts = (attends: boolean[], config: Config): GgufField => ({
  type: "u32",
  value: attends.map((attention) => attention ? number(config, "num_key_value_heads") : 0),
});

const graniteFields = (config: Config): Record<string, GgufField> => ({
  ...fieldsOf({
    "attention.scale": "attention_multiplier",
    "embedding_scale": "embedding_multiplier",
    "residual_scale": "residual_multiplier",
    "logit_scale": "logits_scaling",
  }, ggufF32)(config),
  ...fieldsOf({
    "expert_count": "num_local_experts",
    "expert_used_count": "num_experts_per_tok",
    "expert_shared_feed_forward_length": "shared_intermediate_size",
  })(config),
});

const graniteHybrid: Conversion = {
  permuted: true,
  changed: mamba,
  // The file says that states go without rotation.
  config: { position_embedding_type: "nope" },
  extra: (config) => {
    const types = config.layer_types as string[];
    return {
      ...graniteFields(config),
      ...mambaFields(config),
      "ssm.inner_size": ggufU32(2 * number(config, "hidden_size")),
      "attention.head_count_kv": headCounts(
        types.map((type) =>
          /attention$/.test(type) &&
          type !== "linear_attention"
        ),
        config,
      ),
      "rope.scaling.finetuned": { type: "bool", value: false },
    };
  },
};

const falconH1: Conversion = {
  changed(name, tensor, config) {
    const of = (field: string) => number(config, field);
    const [gate, down] = config.mlp_multipliers as number[];
    const factors: [ending: RegExp, factor: number][] = [
      [/down_proj/, down],
      [/gate_proj/, gate],
      [/k_proj/, of("key_multiplier") * of("attention_in_multiplier")],
      [/[qv]_proj/, of("attention_in_multiplier")],
      [/o_proj/, of("attention_out_multiplier")],
      [/out_proj/, of("ssm_out_multiplier")],
      [/lm_head/, of("lm_head_multiplier")],
      [/embed_tokens/, of("embedding_multiplier")],
    ];
    const factor = factors.find(([ending]) => ending.test(name))?.[1];
    if (name.endsWith("embed_tokens.weight") && config.tie_word_embeddings) {
      return [[name, tensor], ["output.weight", tensor]];
    }
    if (factor !== undefined) return [[name, scaled(tensor, factor)]];
    if (!name.endsWith("in_proj.weight")) return mamba(name, tensor, config);
    const width = of("mamba_d_ssm"), states = of("mamba_n_groups") * of("mamba_d_state");
    let at = 0;
    const parts = [width, width, states, states, of("mamba_n_heads")].map((rows, i) => {
      const part = rowsOf(tensor, at, rows);
      at += rows;
      return scaled(part, of("ssm_in_multiplier") * (config.ssm_multipliers as number[])[i]);
    });
    return [[name, joined(parts)]];
  },
  extra: (config) => ({
    ...mambaFields(config),
    "ssm.inner_size": ggufU32(config.mamba_d_ssm),
  }),
};

const deltaFields = (config: Config): Record<string, GgufField> => ({
  ...fieldsOf({
    "ssm.conv_kernel": "linear_conv_kernel_dim",
    "ssm.state_size": "linear_key_head_dim",
    "ssm.group_count": "linear_num_key_heads",
    "ssm.time_step_rank": "linear_num_value_heads",
  })(config),
  "ssm.inner_size": ggufU32(
    number(config, "linear_num_value_heads") * number(config, "linear_value_head_dim"),
  ),
  "full_attention_interval": ggufU32(4),
});

const recurrentLayers = (config: Config): Record<string, GgufField> => ({
  "attention.recurrent_layers": {
    type: "bool",
    value: (config.layer_types as string[]).map((type) => type === "linear_attention"),
  },
});

/** Queries, keys and values of all heads in one tensor, and gates in another. */
function separated(name: string, tensor: Values, config: Config): [string, Values][] {
  if (name.endsWith("A_log")) return [[name, decays(tensor)]];
  if (!name.endsWith("in_proj_qkvz.weight")) return [[name, tensor]];
  const groups = number(config, "linear_num_key_heads");
  const state = number(config, "linear_key_head_dim");
  const values = number(config, "linear_num_value_heads") / groups *
    number(config, "linear_value_head_dim");
  const size = 2 * (state + values);
  const ofAll = (first: number, count: number) =>
    joined(Array.from({ length: groups }, (_, g) => rowsOf(tensor, g * size + first, count)));
  const mixed = [ofAll(0, state), ofAll(state, state), ofAll(2 * state, values)];
  const [, layer] = /\.(\d+)\./.exec(name)!;
  return [
    [`blk.${layer}.attn_qkv.weight`, joined(mixed)],
    [`blk.${layer}.attn_gate.weight`, ofAll(2 * state + values, values)],
  ];
}

/** Rows of value heads behind `before` others: the first of each key head, then the second... */
function tiled(tensor: Values, config: Config, before = 0): Values {
  const heads = number(config, "linear_num_value_heads");
  const groups = number(config, "linear_num_key_heads");
  const rows = (tensor.shape[0] - before) / heads;
  const each = heads / groups;
  const order = Array.from({ length: each }, (_, one) => one).flatMap((one) =>
    Array.from({ length: groups }, (_, group) => group * each + one)
  );
  const values = order.map((head) => rowsOf(tensor, before + head * rows, rows));
  return joined(before ? [rowsOf(tensor, 0, before), ...values] : values);
}

const weighedExperts = fieldsOf({
  "expert_count": "num_experts",
  "expert_used_count": "num_experts_per_tok",
  "expert_feed_forward_length": "moe_intermediate_size",
  "expert_shared_feed_forward_length": "shared_expert_intermediate_size",
});

const qwen35: Conversion = {
  gainOffset: 1,
  changed(name, tensor, config) {
    const before = 2 * number(config, "linear_num_key_heads") *
      number(config, "linear_key_head_dim");
    if (name.endsWith("A_log")) return [[name, tiled(decays(tensor), config)]];
    if (/in_proj_[zab]\.|dt_bias$/.test(name)) return [[name, tiled(tensor, config)]];
    if (/in_proj_qkv\.|conv1d/.test(name)) return [[name, tiled(tensor, config, before)]];
    if (name.includes("linear_attn.out_proj")) {
      return [[name, transposed(tiled(transposed(tensor), config))]];
    }
    return [[name, tensor]];
  },
  extra: (config) => ({
    ...deltaFields(config),
    "rope.dimension_sections": { type: "i32", value: [11, 11, 10, 0] },
  }),
};

const qwen3Next: Conversion = {
  gainOffset: 1,
  changed: separated,
  extra: (config) => ({
    ...deltaFields(config),
    ...recurrentLayers(config),
    ...weighedExperts(config),
  }),
};

/** The conversions by what is special about them. */
export const RECURRENT_CONVERSIONS: Record<string, Conversion> = {
  granite4_dense: { permuted: true, extra: graniteFields },
  granite4_states: graniteHybrid,
  granite4_states_experts: graniteHybrid,
  bamba: {
    permuted: true,
    changed: mamba,
    extra: (config) => ({
      ...mambaFields(config),
      "ssm.inner_size": ggufU32(2 * number(config, "hidden_size")),
      "attention.head_count_kv": headCounts([false, true], config),
      "rope.scaling.finetuned": { type: "bool", value: true },
    }),
  },
  falcon_h1: falconH1,
  falcon_h1_norm: { ...falconH1, config: { mamba_norm_before_gate: false } },
  nemotron_h: nemotronH,
  nemotron_h_experts: nemotronH,
  qwen3_next: qwen3Next,
  "qwen3_next of an early converter": {
    ...qwen3Next,
    fixture: "qwen3_next",
    changed: (name, tensor, config) =>
      name.endsWith("in_proj_qkvz.weight")
        ? [[`blk.${/\.(\d+)\./.exec(name)![1]}.ssm_in.weight`, tensor]]
        : separated(name, tensor, config),
  },
  qwen3_5: qwen35,
  qwen3_5_moe: {
    ...qwen35,
    extra: (config) => ({
      ...qwen35.extra!(config),
      ...recurrentLayers(config),
      ...weighedExperts(config),
    }),
  },
};
