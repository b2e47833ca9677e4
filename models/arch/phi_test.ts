import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";
import { phi3 } from "./phi.ts";

const geometry = (fields: Record<string, unknown> = {}) =>
  geometryOfClass("Phi3ForCausalLM", { head_dim: 16, num_key_value_heads: 8, ...fields });

Deno.test("phi3 rotates the part of a head that partial_rotary_factor states", () => {
  assert.equal(geometry().rope.dims, undefined);
  assert.equal(geometry({ partial_rotary_factor: 0.5 }).rope.dims, 8);
});

Deno.test("phi3 finds its projections as rows of the fused tensors", () => {
  const layer = new Map(phi3.tensors(geometry()).layers[1].map((spec) => [spec.key, spec]));
  const q = 32 * 16, kv = 8 * 16;
  const fused = (key: string) => [layer.get(key)?.name, layer.get(key)?.within];
  const qkv = "model.layers.1.self_attn.qkv_proj.weight";
  const shape = [q + 2 * kv, 64];
  assert.deepEqual(fused("attn.q"), [qkv, { shape, firstRow: 0 }]);
  assert.deepEqual(fused("attn.k"), [qkv, { shape, firstRow: q }]);
  assert.deepEqual(fused("attn.v"), [qkv, { shape, firstRow: q + kv }]);
  assert.deepEqual(fused("mlp.up"), [
    "model.layers.1.mlp.gate_up_proj.weight",
    { shape: [192, 64], firstRow: 96 },
  ]);
  assert.deepEqual(fused("attn.o"), ["model.layers.1.self_attn.o_proj.weight", undefined]);
});

Deno.test("phi2 has biases everywhere, in its LM head too, and rotates a part of each head", () => {
  const fields = { hidden_size: 512, partial_rotary_factor: 0.5 };
  const { head_bias, parallel, norms, mlp, rope } = geometryOfClass("PhiForCausalLM", fields);
  assert.deepEqual([head_bias, parallel, norms, rope.dims], [
    true,
    true,
    { kind: "layer", bias: true },
    8,
  ]);
  assert.deepEqual(mlp, { activation: "gelu_tanh", gated: false, bias: true });
  assert.throws(
    () => geometryOfClass("PhiForCausalLM", { qk_layernorm: true }),
    /qk_layernorm true \(supported: false\)/,
  );
});
