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

Deno.test("experts that config.json contradicts, or that only some layers have, are refused", () => {
  const refused = (fields: Record<string, unknown>, message: RegExp) =>
    assert.throws(() => geometryOfClass("Qwen3MoeForCausalLM", fields), message);
  refused({ num_experts: 4, num_experts_per_tok: 5 }, /num_experts_per_tok 5 of 4 experts/);
  refused({ mlp_only_layers: [1] }, /mlp_only_layers \[1\] \(supported: experts in every layer\)/);
  refused({ decoder_sparse_step: 2 }, /decoder_sparse_step 2 \(supported: 1\)/);
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
