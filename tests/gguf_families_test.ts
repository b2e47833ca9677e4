/**
 * GGUF files of families whose tensors have the names that gguf-py gives them
 * (`fixtures/make_gguf.py`): each gives the model of the checkpoint that it was made of.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { groupsOf, ModelStore } from "../models/mod.ts";
import {
  type Config,
  type Conversion,
  fieldsOf,
  NAMES,
  roundedGeometry,
  writeFixtureAsGguf,
} from "./support/gguf_converter.ts";
import { LATENT_CONVERSIONS } from "./support/gguf_latent_conversions.ts";
import { RECURRENT_CONVERSIONS } from "./support/gguf_recurrent_conversions.ts";
import { ggufF32 as f32, type GgufField, ggufU32 as u32 } from "./support/gguf_writer.ts";
import { inFolder } from "./support/store_folder.ts";

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

/** Base of the frequencies as the converter computes it of HunYuan's alpha, in f32. */
const HUNYUAN_THETA = Math.fround(10000 * 8 ** (16 / 14));
const hunyuan = { rope_parameters: { rope_type: "default", rope_theta: HUNYUAN_THETA } };

const FAMILIES: Record<string, Conversion> = {
  ...LATENT_CONVERSIONS,
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

Deno.test("every fixture whose names gguf-py gave has a family here", () => {
  const all = { ...FAMILIES, ...RECURRENT_CONVERSIONS };
  const fixtures = Object.entries(all).map(([name, { fixture = name }]) => fixture);
  assert.deepEqual([...new Set(fixtures)].sort(), Object.keys(NAMES).sort());
});

for (const [family, how] of Object.entries(FAMILIES)) {
  const { fixture = family, gainOffset } = how;
  Deno.test(`ModelStore.add() gives a GGUF file of ${family} its checkpoint's model`, async () => {
    await inFolder(async (dir) => {
      const { folder, file } = await writeFixtureAsGguf(dir, fixture, how);
      const store = await ModelStore.open(join(dir, "store"));
      const options = { precision: "f32" } as const;
      const expected = (await store.add(folder, { ...options, name: "folder" })).manifest;
      const { manifest } = await store.add(file, { ...options, name: "file" });
      assert.deepEqual(roundedGeometry(manifest.geometry), roundedGeometry(expected.geometry));
      const groups = [groupsOf(manifest), groupsOf(expected)].map((all) =>
        all.map(({ sha256, tensors }) => gainOffset ? Object.keys(tensors) : sha256)
      );
      assert.deepEqual(groups[0], groups[1]);
    });
  });
}
