import assert from "node:assert/strict";
import { geometryOfClass, MINIMAL_CONFIG } from "../../tests/support/minimal_config.ts";
import { describe } from "./describe.ts";

const RECURRENCE = { rule: "delta", heads: 32, head_dim: 128, state: 128, groups: 16, kernel: 4 };

const geometry = (fields: Record<string, unknown> = {}) =>
  geometryOfClass("Qwen3_5ForCausalLM", { num_hidden_layers: 5, head_dim: 16, ...fields });

Deno.test("qwen35 has a recurrence in three of four layers, or in those that config.json says", () => {
  const { recurrence, attention, norms, rope } = geometry();
  assert.deepEqual(recurrence, { ...RECURRENCE, layers: [0, 1, 2, 4] });
  assert.deepEqual([attention, norms, rope.dims], [
    { qk_norm: true, gate: true },
    { offset: 1 },
    4,
  ]);
  assert.deepEqual(geometry({ full_attention_interval: 2 }).recurrence!.layers, [0, 2, 4]);
  const attending = Array(4).fill("full_attention");
  const named = geometry({ layer_types: ["linear_attention", ...attending] });
  assert.deepEqual(named.recurrence!.layers, [0]);
  assert.equal(geometry({ layer_types: [...attending, attending[0]] }).recurrence, undefined);
});

Deno.test("qwen35 refuses biases, and groups that do not divide the heads, by name", () => {
  assert.throws(
    () => geometry({ attention_bias: true }),
    /attention_bias true \(supported: false\)/,
  );
  assert.throws(
    () => geometry({ linear_num_key_heads: 5 }),
    /linear_num_key_heads 5 \(supported: a divisor of 32 value heads\)/,
  );
});

Deno.test("qwen3Next finds queries, keys, values and gates in the rows of one tensor", () => {
  const { architecture, geometry } = describe({
    ...MINIMAL_CONFIG,
    architectures: ["Qwen3NextForCausalLM"],
    hidden_size: 8,
    head_dim: 8,
    num_experts: 4,
    num_experts_per_tok: 2,
    linear_num_key_heads: 2,
    linear_num_value_heads: 4,
    linear_key_head_dim: 12,
    linear_value_head_dim: 4,
  }, "config.json");
  const layer = architecture.tensors(geometry).layers[0];
  const spec = (key: string) => layer.find((one) => one.key === key)!;
  const firsts = (key: string) => spec(key).stacked!.map(({ within }) => within!.firstRow);
  // Of each of the two groups 12 rows for queries, 12 for keys, 8 for values, 8 for gates.
  assert.deepEqual(firsts("state.in"), [
    ...[0, 4, 8, 40, 44, 48],
    ...[12, 16, 20, 52, 56, 60],
    ...[24, 28, 64, 68],
  ]);
  assert.deepEqual(firsts("state.gate"), [32, 36, 72, 76]);
  assert.deepEqual([firsts("state.write"), firsts("state.step")], [[0, 4], [2, 6]]);
  assert.deepEqual(spec("state.in").stacked![0].within!.shape, [80, 8]);
});

Deno.test("qwen35Moe has experts in every layer, each with tensors of its own or all in two", () => {
  const { architecture, geometry } = describe({
    ...MINIMAL_CONFIG,
    architectures: ["Qwen3_5MoeForCausalLM"],
    intermediate_size: undefined,
    head_dim: 16,
    num_key_value_heads: 2,
    num_experts: 9,
  }, "config.json");
  assert.deepEqual([geometry.experts, geometry.intermediate], [{
    count: 9,
    active: 8,
    normalised: true,
    shared: { intermediate: 512, weighed: true },
  }, 512]);
  const up = (has?: (name: string) => boolean) =>
    architecture.tensors(geometry, has).layers[1].find(({ key }) => key === "mlp.experts.up")!
      .stacked![2];
  assert.equal(up().name, "model.layers.1.mlp.experts.2.up_proj.weight");
  const fused = "mlp.experts.gate_up_proj";
  assert.deepEqual(up((name) => name === `model.layers.0.${fused}`), {
    name: `model.layers.1.${fused}`,
    within: { shape: [9, 1024, 64], firstRow: 5 * 512 },
  });
});
