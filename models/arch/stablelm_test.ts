import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

const geometry = (fields: Record<string, unknown> = {}) =>
  geometryOfClass("StableLmForCausalLM", { hidden_size: 2560, ...fields });

Deno.test("stablelm has LayerNorm with biases and rotates a quarter of each head", () => {
  const { norms, rope, norm_eps, parallel } = geometry({ layer_norm_eps: 1e-4 });
  assert.deepEqual([norms, rope.dims, norm_eps, parallel], [
    { kind: "layer", bias: true },
    20,
    1e-4,
    undefined,
  ]);
});

Deno.test("stablelm reads biases and parallel blocks from config.json", () => {
  const { attention, parallel } = geometry({ use_qkv_bias: true, use_parallel_residual: true });
  assert.deepEqual([attention, parallel], [{ bias: "qkv" }, true]);
});

Deno.test("stablelm refuses normed queries and keys", () => {
  assert.throws(() => geometry({ qk_layernorm: true }), /qk_layernorm true \(supported: false\)/);
});
