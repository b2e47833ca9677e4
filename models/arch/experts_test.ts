import assert from "node:assert/strict";
import { describe } from "./mod.ts";
import { geometryOfClass, MINIMAL_CONFIG } from "../../tests/support/minimal_config.ts";

Deno.test("mixtral and granite take experts from num_local_experts, whose weights add up to 1", () => {
  for (const name of ["MixtralForCausalLM", "GraniteMoeForCausalLM"]) {
    assert.deepEqual(geometryOfClass(name).experts, { count: 8, active: 2, normalised: true });
    const { experts } = geometryOfClass(name, { num_local_experts: 40, num_experts_per_tok: 8 });
    assert.deepEqual(experts, { count: 40, active: 8, normalised: true });
  }
});

Deno.test("qwen3 and olmoe norm the weights of experts where config.json says so", () => {
  const qwen = geometryOfClass("Qwen3MoeForCausalLM", { moe_intermediate_size: 20 });
  assert.deepEqual([qwen.experts, qwen.intermediate], [{ count: 128, active: 8 }, 20]);
  const olmoe = geometryOfClass("OlmoeForCausalLM", { norm_topk_prob: true });
  assert.deepEqual(olmoe.experts, { count: 64, active: 8, normalised: true });
});

Deno.test("experts that config.json contradicts, or that stand in groups, are refused", () => {
  const refused = (fields: Record<string, unknown>, message: RegExp) =>
    assert.throws(() => geometryOfClass("Qwen3MoeForCausalLM", fields), message);
  refused({ num_experts: 4, num_experts_per_tok: 5 }, /num_experts_per_tok 5 of 4 experts/);
  refused({ moe_intermediate_size: [8, 9] }, /moe_intermediate_size 8,9 \(supported: one number\)/);
  refused({ n_group: 2 }, /n_group 2 \(supported: 1\)/);
  assert.throws(
    () => geometryOfClass("HunYuanMoEV1ForCausalLM", { num_experts: 8, moe_topk: [2, 1] }),
    /num_experts_per_tok 2,1 of 8 experts/,
  );
  assert.throws(() => geometryOfClass("OlmoeForCausalLM", { clip_qkv: 8 }), /clip_qkv 8/);
});

Deno.test("graniteMoe has experts that are rows of tensors of all experts, gate above up", () => {
  const { architecture, geometry } = describe({
    ...MINIMAL_CONFIG,
    architectures: ["GraniteMoeForCausalLM"],
    num_local_experts: 3,
  }, "config.json");
  const layer = new Map(architecture.tensors(geometry).layers[1].map((spec) => [spec.key, spec]));
  const rows = (key: string) =>
    layer.get(key)!.stacked!.map(({ name, within }) => [name, within!.firstRow]);
  const name = "model.layers.1.block_sparse_moe.input_linear.weight";
  assert.deepEqual(rows("mlp.experts.gate"), [[name, 0], [name, 192], [name, 384]]);
  assert.deepEqual(rows("mlp.experts.up"), [[name, 96], [name, 288], [name, 480]]);
  assert.deepEqual(layer.get("mlp.experts.down")!.within, { shape: [3, 64, 96], firstRow: 0 });
});

Deno.test("qwen3 has layers without experts where mlp_only_layers or decoder_sparse_step say", () => {
  const dense = (fields: Record<string, unknown>) =>
    geometryOfClass("Qwen3MoeForCausalLM", {
      num_hidden_layers: 4,
      intermediate_size: 200,
      moe_intermediate_size: 20,
      ...fields,
    }).experts!.dense;
  assert.deepEqual(dense({ decoder_sparse_step: 2 }), { layers: [0, 2], intermediate: 200 });
  assert.deepEqual(dense({ mlp_only_layers: [1] }), { layers: [1], intermediate: 200 });
  assert.equal(dense({}), undefined);
});

Deno.test("qwen2 weighs the MLP beside its experts", () => {
  const { experts, attention } = geometryOfClass("Qwen2MoeForCausalLM", { qkv_bias: false });
  assert.deepEqual([experts, attention], [
    { count: 60, active: 4, shared: { intermediate: 5632, weighed: true } },
    undefined,
  ]);
});

Deno.test("ernie has experts from moe_layer_start_index to moe_layer_end_index", () => {
  const of = (fields: Record<string, unknown>) =>
    geometryOfClass("Ernie4_5_MoeForCausalLM", { num_hidden_layers: 6, ...fields });
  assert.deepEqual(of({ moe_num_experts: 8 }).experts, {
    count: 8,
    active: 6,
    normalised: true,
    correction: true,
    shared: { intermediate: 3072 },
    dense: { layers: [0], intermediate: 96 },
  });
  const some = of({ moe_layer_end_index: 4, moe_layer_interval: 2, moe_num_shared_experts: 0 });
  assert.deepEqual(some.experts!.dense!.layers, [0, 2, 4, 5]);
  assert.equal(some.experts!.shared, undefined);
  assert.throws(() => of({ use_bias: true }), /use_bias true \(supported: false\)/);
});

Deno.test("glm and lfm2 choose experts by sigmoids, and have none in their first layers", () => {
  const glm = geometryOfClass("Glm4MoeForCausalLM", {
    head_dim: 16,
    routed_scaling_factor: 2.5,
  });
  assert.deepEqual(glm.experts, {
    count: 128,
    active: 8,
    normalised: true,
    scores: "sigmoid",
    correction: true,
    scale: 2.5,
    shared: { intermediate: 1408 },
    dense: { layers: [0], intermediate: 96 },
  });
  assert.equal(glm.rope.dims, glm.head_dim / 2);
  const lfm2 = geometryOfClass("Lfm2MoeForCausalLM", {
    num_hidden_layers: 3,
    use_expert_bias: false,
  });
  assert.deepEqual(lfm2.experts, {
    count: 32,
    active: 4,
    normalised: true,
    scores: "sigmoid",
    epsilon: 1e-6,
    dense: { layers: [0, 1], intermediate: 96 },
  });
});

Deno.test("hunyuan takes one number of experts from a list that says the same for each layer", () => {
  const { experts } = geometryOfClass("HunYuanMoEV1ForCausalLM", {
    num_experts: 8,
    moe_topk: [2, 2],
    moe_intermediate_size: [96, 96],
  });
  assert.deepEqual(experts, {
    count: 8,
    active: 2,
    normalised: true,
    shared: { intermediate: 96 },
  });
});

Deno.test("graniteMoeShared has an MLP beside the experts unless its width is 0", () => {
  const width = (shared_intermediate_size: number) =>
    geometryOfClass("GraniteMoeSharedForCausalLM", { shared_intermediate_size }).experts!.shared;
  assert.deepEqual([width(40), width(0)], [{ intermediate: 40 }, undefined]);
});
