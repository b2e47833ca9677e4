/**
 * GGUF files of families whose tensors have the names that gguf-py gives them
 * (`fixtures/make_gguf.py`): each gives the model of the checkpoint that it was made of.
 */
import assert from "node:assert/strict";
import { copyFile, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { groupsOf, ModelStore } from "../models/mod.ts";
import { Checkpoint } from "../models/sources/mod.ts";
import {
  encodeGguf,
  type GgufEntry,
  type GgufField,
  ggufMetadata,
  ggufTokenizerFields,
  ggufValues,
  permuteHeads,
} from "./support/gguf_writer.ts";
import { inFolder } from "./support/store_folder.ts";
import { trimTokenizer, writeTinyCheckpoint } from "./support/tiny_checkpoint.ts";

const FIXTURES = fileURLToPath(new URL("fixtures/checkpoints", import.meta.url));
const NAMES: Record<string, { arch: string; names: Record<string, string> }> = JSON.parse(
  await Deno.readTextFile(new URL("fixtures/gguf/names.json", import.meta.url)),
);

type Values = { shape: number[]; values: Float32Array };
type Config = Record<string, unknown>;

const u32 = (value: unknown): GgufField => ({ type: "u32", value: Number(value) });
const f32 = (value: unknown): GgufField => ({ type: "f32", value: Number(value) });

/** The same fields of metadata, each a number of config.json. */
const fieldsOf =
  (keys: Record<string, string>, kind = u32) => (config: Config): Record<string, GgufField> =>
    Object.fromEntries(Object.entries(keys).map(([key, field]) => [key, kind(config[field])]));

const experts = (...more: [key: string, field: string][]) =>
  fieldsOf({
    "expert_count": "num_local_experts",
    "expert_used_count": "num_experts_per_tok",
    ...Object.fromEntries(more),
  });

const WIDTH: [string, string] = ["expert_feed_forward_length", "moe_intermediate_size"];

const granite = fieldsOf({
  "attention.scale": "attention_multiplier",
  "embedding_scale": "embedding_multiplier",
  "residual_scale": "residual_multiplier",
  "logit_scale": "logits_scaling",
}, f32);

const layerNorm = (field: string) => fieldsOf({ "attention.layer_norm_epsilon": field }, f32);

const isConvolution = (config: Config) =>
  (config.layer_types as string[]).map((type) => type === "conv");

const lfm2 = (config: Config): Record<string, GgufField> => ({
  "attention.layer_norm_rms_epsilon": f32(config.norm_eps),
  "shortconv.l_cache": u32(config.conv_L_cache),
  "attention.head_count_kv": {
    type: "u32",
    value: isConvolution(config).map((conv) => conv ? 0 : Number(config.num_key_value_heads)),
  },
});

/** What the converter writes, and how it changes tensors. */
interface Family {
  /** Folder of the checkpoint. @default the family's name here */
  fixture?: string;
  /** Tensors of a layer that the converter finds below each other in one. */
  fused?: Record<string, string[]>;
  permuted?: true;
  gainOffset?: number;
  /** Metadata beside those of all families, without the architecture before the key. */
  extra?: (config: Config) => Record<string, GgufField>;
  /** What of the fixture's config.json a GGUF file says in other words or not at all. */
  config?: Config;
}

/** Base of the frequencies as the converter computes it of HunYuan's alpha, in f32. */
const HUNYUAN_THETA = Math.fround(10000 * 8 ** (16 / 14));
const hunyuan = { rope_parameters: { rope_type: "default", rope_theta: HUNYUAN_THETA } };

const FAMILIES: Record<string, Family> = {
  gemma1: { gainOffset: 1 },
  granite: { permuted: true, extra: granite },
  granitemoe: { permuted: true, extra: (config) => ({ ...granite(config), ...experts()(config) }) },
  granitemoeshared: {
    permuted: true,
    extra: (config) => ({
      ...granite(config),
      ...experts(["expert_shared_feed_forward_length", "shared_intermediate_size"])(config),
    }),
  },
  lfm2: {
    config: { intermediate_size: 40, block_auto_adjust_ff_dim: false },
    extra: lfm2,
  },
  lfm2_moe: {
    config: { routed_scaling_factor: 1 },
    extra: (config) => ({
      ...lfm2(config),
      ...fieldsOf({
        "expert_count": "num_experts",
        "expert_used_count": "num_experts_per_tok",
        "expert_feed_forward_length": "moe_intermediate_size",
        "leading_dense_block_count": "num_dense_layers",
      })(config),
    }),
  },
  olmo2: {},
  olmo3: {
    config: {
      rope_parameters: null,
      rope_theta: 1000,
      rope_scaling: {
        rope_type: "yarn",
        factor: 4,
        original_max_position_embeddings: 32,
        beta_fast: 4,
        beta_slow: 1,
      },
      layer_types: ["sliding_attention", "sliding_attention", "full_attention", "full_attention"],
    },
    extra: () => ({
      "attention.sliding_window": u32(9),
      "attention.sliding_window_pattern": { type: "bool", value: [true, true, false, false] },
      "rope.scaling.type": { type: "string", value: "yarn" },
      "rope.scaling.factor": f32(4),
      "rope.scaling.original_context_length": u32(32),
      "rope.scaling.yarn_beta_fast": f32(4),
      "rope.scaling.yarn_beta_slow": f32(1),
    }),
  },
  ernie4_5: {},
  ernie4_5_moe: {
    extra: fieldsOf({
      "expert_count": "moe_num_experts",
      "expert_used_count": "moe_k",
      "expert_feed_forward_length": "moe_intermediate_size",
      "expert_shared_count": "moe_num_shared_experts",
      "leading_dense_block_count": "moe_layer_start_index",
      "interleave_moe_layer_step": "moe_layer_interval",
    }),
  },
  exaone4: {
    extra: () => ({
      "attention.sliding_window": u32(9),
      "attention.sliding_window_pattern": { type: "bool", value: [true, false, true, false] },
    }),
  },
  exaone4_full: {},
  glm4: {},
  glm: {},
  "glm, its queries, keys and values in one tensor": {
    fixture: "glm",
    fused: Object.fromEntries(
      ["weight", "bias"].map((
        kind,
      ) => [`attn_qkv.${kind}`, ["q", "k", "v"].map((one) => `attn_${one}.${kind}`)]),
    ),
  },
  glm4_moe: {
    extra: (config) => ({
      ...fieldsOf({
        "expert_count": "n_routed_experts",
        "expert_used_count": "num_experts_per_tok",
        "expert_feed_forward_length": "moe_intermediate_size",
        "expert_shared_count": "n_shared_experts",
        "leading_dense_block_count": "first_k_dense_replace",
        "nextn_predict_layers": "num_nextn_predict_layers",
      })(config),
      "block_count": u32(Number(config.num_hidden_layers) + 1),
      "expert_weights_scale": f32(1.5),
      "expert_weights_norm": { type: "bool", value: true },
    }),
  },
  ministral3: {
    permuted: true,
    extra: () => ({
      "rope.scaling.type": { type: "string", value: "yarn" },
      "rope.scaling.factor": f32(4),
      "rope.scaling.original_context_length": u32(128),
      "rope.scaling.yarn_beta_fast": f32(4),
      "rope.scaling.yarn_beta_slow": f32(1),
      "rope.scaling.yarn_log_multiplier": f32(1),
      "attention.temperature_scale": f32(0.1),
    }),
  },
  mistral: { permuted: true, config: { sliding_window: null } },
  seed_oss: {},
  cohere: {
    extra: (config) => ({ ...layerNorm("layer_norm_eps")(config), "logit_scale": f32(0.3) }),
  },
  cohere2: {
    extra: (config) => ({
      ...layerNorm("layer_norm_eps")(config),
      "logit_scale": f32(0.3),
      "attention.sliding_window": u32(9),
      "attention.sliding_window_pattern": { type: "bool", value: [true, false, true, false] },
    }),
  },
  starcoder2: {
    extra: (config) => ({
      ...layerNorm("norm_epsilon")(config),
      "attention.sliding_window": u32(11),
    }),
  },
  stablelm: { extra: layerNorm("layer_norm_eps") },
  stablelm_parallel: { extra: layerNorm("layer_norm_eps") },
  nemotron: { gainOffset: 1, extra: layerNorm("norm_eps") },
  phi2: { extra: layerNorm("layer_norm_eps") },
  minicpm: {
    permuted: true,
    extra: () => ({
      "embedding_scale": f32(1.5),
      "residual_scale": f32(1.4 / Math.sqrt(2)),
      "logit_scale": f32(32 / 24),
    }),
  },
  hunyuan: { config: hunyuan },
  hunyuan_moe: {
    config: hunyuan,
    extra: fieldsOf({ "expert_count": "num_experts", "expert_used_count": "moe_topk" }),
  },
  qwen2_moe: {
    extra: (config) => ({
      ...fieldsOf({
        "expert_count": "num_experts",
        "expert_used_count": "num_experts_per_tok",
        "expert_shared_feed_forward_length": "shared_expert_intermediate_size",
      })(config),
      ...fieldsOf(Object.fromEntries([WIDTH]))(config),
    }),
  },
  gpt_oss: {
    config: {
      rope_parameters: null,
      rope_theta: 1000,
      rope_scaling: {
        rope_type: "yarn",
        factor: 4,
        original_max_position_embeddings: 32,
        beta_fast: 4,
        beta_slow: 1,
        truncate: false,
      },
    },
    extra: (config) => ({
      ...experts()(config),
      "attention.sliding_window": u32(9),
      "rope.scaling.type": { type: "string", value: "yarn" },
      "rope.scaling.factor": f32(4),
      "rope.scaling.original_context_length": u32(32),
      "rope.scaling.yarn_beta_fast": f32(4),
      "rope.scaling.yarn_beta_slow": f32(1),
    }),
  },
};

/** All tensors of a checkpoint. */
async function readAll(folder: string): Promise<Map<string, Values>> {
  const all = new Map<string, Values>();
  await using source = await Checkpoint.open(folder, { packing: { kind: "mxfp4" } });
  for (const [stored, { shape: dims }] of source.tensors) {
    if (stored.endsWith("_scales")) continue;
    const blocks = stored.endsWith("_blocks"); // of MXFP4: [.., blocks, 16] codes of 4 bits
    const name = stored.replace(/_blocks$/, "");
    const shape = blocks ? [...dims.slice(0, -2), dims.at(-2)! * 32] : dims;
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    const width = shape.length === 1 ? 1 : shape.at(-1)!;
    for await (const piece of source.read(name, shape)) {
      values.set(piece.values, piece.firstRow * width);
    }
    all.set(name, { shape, values });
  }
  return all;
}

/** Rows `from`, `from + step`, ... of a matrix [.., rows, width], or elements of vectors. */
function everyRow({ shape, values }: Values, from: number, step: number, width: number): Values {
  const rows: number[] = [];
  for (let row = from; row * width < values.length; row += step) {
    for (let i = 0; i < width; i++) rows.push(values[row * width + i]);
  }
  const at = width === 1 ? shape.length - 1 : shape.length - 2;
  return { shape: shape.map((n, i) => i === at ? n / step : n), values: Float32Array.from(rows) };
}

/** The first or the second half of the rows of each matrix [.., rows, width]. */
function halfOf({ shape, values }: Values, half: 0 | 1): Values {
  const [rows, width] = shape.slice(-2);
  const part: number[] = [];
  for (let start = 0; start < values.length; start += rows * width) {
    const first = start + half * rows / 2 * width;
    part.push(...values.subarray(first, first + rows / 2 * width));
  }
  return { shape: [...shape.slice(0, -2), rows / 2, width], values: Float32Array.from(part) };
}

/** The tensors as the converter has them before it names them. */
function* asConverted(tensors: Map<string, Values>): Generator<[name: string, Values]> {
  const stacked = new Map<string, Values[]>();
  for (const [name, tensor] of tensors) {
    const [, before, number, after] = /^(.*experts\.)(\d+)\.(.*)$/.exec(name) ?? [];
    if (number !== undefined) {
      const all = stacked.get(before + after) ?? [];
      all[Number(number)] = tensor;
      stacked.set(before + after, all);
      continue;
    }
    const [, layer] = /^model\.layers\.(\d+)\./.exec(name) ?? [];
    const split = (gate: string, up: string, part: (half: 0 | 1) => Values) =>
      [[`blk.${layer}.${gate}`, part(0)], [`blk.${layer}.${up}`, part(1)]] as [string, Values][];
    if (name.endsWith("block_sparse_moe.input_linear.weight")) {
      const [gate, up] = ["ffn_gate_exps.weight", "ffn_up_exps.weight"];
      yield* split(gate, up, (half) => halfOf(tensor, half));
    } else if (name.endsWith("shared_mlp.input_linear.weight")) {
      const [gate, up] = ["ffn_gate_shexp.weight", "ffn_up_shexp.weight"];
      yield* split(gate, up, (half) => halfOf(tensor, half));
    } else if (name.endsWith("experts.gate_up_proj")) {
      const width = tensor.shape.at(-1)!;
      const [gate, up] = ["ffn_gate_exps.weight", "ffn_up_exps.weight"];
      yield* split(gate, up, (half) => everyRow(tensor, half, 2, width));
    } else if (name.endsWith("experts.gate_up_proj_bias")) {
      const [gate, up] = ["ffn_gate_exps.bias", "ffn_up_exps.bias"];
      yield* split(gate, up, (half) => everyRow(tensor, half, 2, 1));
    } else if (name.endsWith("experts.down_proj")) {
      yield [`blk.${layer}.ffn_down_exps.weight`, tensor];
    } else if (name.endsWith("experts.down_proj_bias")) {
      yield [`blk.${layer}.ffn_down_exps.bias`, tensor];
    } else yield [name, tensor];
  }
  for (const [name, all] of stacked) {
    yield [name, {
      shape: [all.length, ...all[0].shape],
      values: Float32Array.from(all.flatMap(({ values }) => [...values])),
    }];
  }
}

/** The name that gguf-py gives a tensor. */
function nameIn(names: Record<string, string>, name: string): string {
  if (name.startsWith("blk.")) return name;
  const [, number = ""] = /\.(\d+)\./.exec(name) ?? [];
  const asked = name
    .replace(/\.\d+\./, ".#.")
    .replace(/e_score_correction_bias$/, "e_score_correction.bias")
    .replace(/expert_bias$/, "expert_bias.bias");
  const given = names[asked];
  assert.ok(given, `gguf-py has no name for ${name}`);
  return given.replace("#", number);
}

/** Puts the tensors of each layer that lie in one below each other. */
function fuse(entries: GgufEntry[], fused: Record<string, string[]>): GgufEntry[] {
  const left = new Map(entries.map((entry) => [entry.name, entry]));
  for (const { name } of entries) {
    const [, layer, rest] = /^(blk\.\d+\.)(.*)$/.exec(name) ?? [];
    for (const [whole, parts] of Object.entries(fused)) {
      if (rest !== parts[0]) continue;
      const found = parts.map((part) => left.get(layer + part)!);
      const rows = found.reduce((sum, { shape }) => sum + shape[0], 0);
      const data = new Uint8Array(found.flatMap((part) => [...part.data]));
      const shape = [rows, ...found[0].shape.slice(1)];
      left.set(layer + whole, { ...found[0], name: layer + whole, shape, data });
      for (const part of found) left.delete(part.name);
    }
  }
  return [...left.values()];
}

Deno.test("every fixture whose names gguf-py gave has a family here", () => {
  const fixtures = Object.entries(FAMILIES).map(([name, { fixture = name }]) => fixture);
  assert.deepEqual([...new Set(fixtures)].sort(), Object.keys(NAMES).sort());
});

for (const [family, how] of Object.entries(FAMILIES)) {
  const { fixture = family, fused = {}, permuted, gainOffset = 0, extra, config: changes } = how;
  const { arch, names } = NAMES[fixture];
  Deno.test(`ModelStore.add() gives a GGUF file of ${family} its checkpoint's model`, async () => {
    await inFolder(async (dir) => {
      const folder = join(dir, fixture);
      await mkdir(folder);
      for (const file of await readdir(join(FIXTURES, fixture))) {
        await copyFile(join(FIXTURES, fixture, file), join(folder, file));
      }
      const path = join(folder, "config.json");
      const config = { ...JSON.parse(await Deno.readTextFile(path)), ...changes };
      await Deno.writeTextFile(path, JSON.stringify(config));
      const texts = await writeTinyCheckpoint(join(dir, "texts"), { layers: 1 });
      await trimTokenizer(texts.dir, config.vocab_size);
      await copyFile(join(texts.dir, "tokenizer.json"), join(folder, "tokenizer.json"));

      const head = config.head_dim ?? config.hidden_size / config.num_attention_heads;
      const entries: GgufEntry[] = [];
      for (const [name, { shape, values }] of asConverted(await readAll(folder))) {
        const gguf = nameIn(names, name);
        let written = /norm\.weight$/.test(gguf) ? values.map((x) => x + gainOffset) : values;
        if (permuted && /attn_[qk]\./.test(gguf)) written = permuteHeads(values, shape[0], head);
        const squeezed = shape.filter((n) => n !== 1);
        entries.push({
          name: gguf,
          type: "F32",
          shape: squeezed,
          data: ggufValues(written, "F32"),
        });
      }
      const rope = config.rope_parameters ?? {};
      const partial = rope.partial_rotary_factor ?? config.partial_rotary_factor;
      const rotated = partial ??
        { chatglm: 0.5, glm4: 0.5, glm4moe: 0.5, stablelm: 0.25, nemotron: 0.5, phi2: 0.5 }[arch] ??
        1;
      const theta = rope.rope_theta ?? config.rope_theta;
      const common = ggufMetadata(arch, {
        ...config,
        rope_theta: theta,
        partial_rotary_factor: rotated,
      });
      const own = Object.entries(extra?.(config) ?? {})
        .map(([key, value]) => [`${arch}.${key}`, value]);
      const file = join(dir, `${fixture}.gguf`);
      const tokens = await ggufTokenizerFields(texts.dir);
      const metadata = { ...common, ...Object.fromEntries(own), ...tokens };
      await Deno.writeFile(file, encodeGguf(metadata, fuse(entries, fused)));

      const store = await ModelStore.open(join(dir, "store"));
      const options = { precision: "f32" } as const;
      const expected = (await store.add(folder, { ...options, name: "folder" })).manifest;
      const { manifest } = await store.add(file, { ...options, name: "file" });
      assert.deepEqual(rounded(manifest.geometry), rounded(expected.geometry));
      const groups = [groupsOf(manifest), groupsOf(expected)].map((all) =>
        all.map(({ sha256, tensors }) => gainOffset ? Object.keys(tensors) : sha256)
      );
      assert.deepEqual(groups[0], groups[1]);
    });
  });
}

/** Numbers to 6 digits, since metadata are f32, and a scaling without its type's other name. */
function rounded(geometry: unknown): unknown {
  return JSON.parse(JSON.stringify(geometry, (key, value) => {
    if (key === "scaling" && value) {
      const { type, rope_theta: _theta, ...scaling } = value;
      return Object.fromEntries(Object.entries({ rope_type: type, ...scaling }).sort());
    }
    return typeof value === "number" ? Number(value.toPrecision(6)) : value;
  }));
}
