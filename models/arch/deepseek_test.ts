import assert from "node:assert/strict";
import { rowBytes, rowCaches } from "../graph/mod.ts";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";
import { describe } from "./mod.ts";

/** Fields of DeepSeek-V2-Lite's config.json that matter here. */
const LITE = {
  hidden_size: 2048,
  intermediate_size: 10944,
  moe_intermediate_size: 1408,
  num_hidden_layers: 27,
  num_attention_heads: 16,
  num_key_value_heads: 16,
  n_routed_experts: 64,
  n_shared_experts: 2,
  num_experts_per_tok: 6,
  first_k_dense_replace: 1,
  q_lora_rank: null,
  n_group: 1,
  topk_group: 1,
  topk_method: "greedy",
  scoring_func: "softmax",
  max_position_embeddings: 163840,
  rope_scaling: {
    ...{ type: "yarn", factor: 40, beta_fast: 32, beta_slow: 1, mscale: 0.707 },
    ...{ mscale_all_dim: 0.707, original_max_position_embeddings: 4096 },
  },
};

Deno.test("deepseekV2 keeps 576 numbers of a row, and scales scores by the square of YaRN's factor", () => {
  const geometry = geometryOfClass("DeepseekV2ForCausalLM", LITE);
  const { attention, experts, head_dim, kv_heads, rope } = geometry;
  assert.deepEqual([head_dim, kv_heads, rope.dims, rope.interleaved], [192, 1, 64, true]);
  assert.deepEqual(attention!.latent, { rank: 512, value: 128 });
  const factor = 0.1 * 0.707 * Math.log(40) + 1;
  assert.equal(attention!.scale, 192 ** -0.5 * factor ** 2);
  assert.equal(rowBytes(rowCaches(geometry, 5)), 4 * 576);
  const { count, active, shared, dense, groups } = experts!;
  assert.deepEqual([count, active, shared, groups], [64, 6, { intermediate: 2816 }, undefined]);
  assert.deepEqual(dense, { layers: [0], intermediate: 10944 });
});

Deno.test("deepseekV2 and deepseekV3 choose experts in groups, each by its rule", () => {
  const groups = { n_group: 8, topk_group: 3 };
  const experts = (name: string, fields = {}) =>
    geometryOfClass(name, { ...LITE, ...groups, ...fields }).experts!;
  const [v2, v3] = ["DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM"];
  const limited = experts(v2, { topk_method: "group_limited_greedy" });
  assert.deepEqual(limited.groups, { count: 8, active: 3, by: "one" });
  assert.equal(experts(v2).groups, undefined);
  const corrected = experts(v3, { topk_method: "noaux_tc", scoring_func: "sigmoid" });
  assert.deepEqual(corrected.groups, { count: 8, active: 3, by: "two" });
  assert.deepEqual([corrected.scores, corrected.correction, corrected.scale], [
    ...["sigmoid", true, 2.5],
  ]);
  const refused = (name: string, fields: Record<string, unknown>, message: RegExp) =>
    assert.throws(() => experts(name, fields), message);
  refused(v3, { topk_method: null, scoring_func: "softmax" }, /scoring_func softmax/);
  refused(v3, { ...groups, topk_method: null, scoring_func: null, n_group: 5 }, /n_group 5/);
  refused(v2, { topk_method: "group_limited_greedy", topk_group: 9 }, /topk_group 9/);
  refused(v2, { topk_method: "noaux_tc" }, /topk_method noaux_tc/);
  refused(v2, { norm_topk_prob: true }, /norm_topk_prob true/);
  refused(v2, { num_key_value_heads: 4 }, /num_key_value_heads 4/);
  refused(v2, { moe_layer_freq: 2 }, /moe_layer_freq 2/);
  refused(v2, { qk_rope_head_dim: 7 }, /qk_rope_head_dim/);
});

Deno.test("glm4MoeLite has experts where mlp_layer_types says so, else from the second layer on", () => {
  const layers = (fields: Record<string, unknown>) =>
    geometryOfClass("Glm4MoeLiteForCausalLM", { num_key_value_heads: 32, ...fields }).experts!
      .dense?.layers;
  assert.deepEqual(layers({}), [0]);
  assert.deepEqual(layers({ mlp_layer_types: ["sparse", "dense"] }), [1]);
  assert.equal(layers({ mlp_layer_types: ["sparse", "sparse"] }), undefined);
  assert.throws(() => layers({ mlp_layer_types: ["dense"] }), /mlp_layer_types of 1 of its 2/);
  assert.throws(() => layers({ mlp_layer_types: ["dense", "other"] }), /mlp_layer_types other/);
});

Deno.test("youtu has latent attention and one MLP in each layer, and is tied", () => {
  const fields = { num_key_value_heads: 32, rope_interleave: false };
  const { attention, experts, rope, tied_embeddings } = geometryOfClass("YoutuForCausalLM", fields);
  assert.deepEqual(attention, { latent: { rank: 512, value: 128, query_rank: 1536 } });
  assert.deepEqual([experts, rope.dims, rope.interleaved], [undefined, 64, undefined]);
  assert.equal(tied_embeddings, true);
});

Deno.test("deepseekV3 finds keys' and values' matrices of each head in one tensor, keys' turned", () => {
  const { architecture, geometry } = describe({
    architectures: ["DeepseekV3ForCausalLM"],
    ...{ ...LITE, n_group: null, topk_method: null, scoring_func: null, rope_scaling: null },
    ...{ num_attention_heads: 2, num_key_value_heads: 2, kv_lora_rank: 20, vocab_size: 300 },
    ...{ qk_nope_head_dim: 12, qk_rope_head_dim: 4, v_head_dim: 10, q_lora_rank: 24 },
  }, "config.json");
  const layer = new Map(architecture.tensors(geometry).layers[1].map((spec) => [spec.key, spec]));
  const of = (key: string) => {
    const { shape, role, stacked } = layer.get(key)!;
    return [shape, role, stacked!.map(({ within, transposed }) => [within!.firstRow, transposed])];
  };
  assert.deepEqual(of("attn.k_b"), [[40, 12], "projections", [[0, true], [22, true]]]);
  assert.deepEqual(of("attn.v_b"), [[20, 20], "projections", [[12, undefined], [34, undefined]]]);
  assert.deepEqual(layer.get("attn.q_b")!.shape, [32, 24]);
  assert.deepEqual(layer.get("attn.o")!.shape, [2048, 20]);
});
