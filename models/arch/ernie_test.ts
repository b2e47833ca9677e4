import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

Deno.test("ernie rotates neighbours and has transformers' defaults", () => {
  const { rope, kv_heads, head_dim, tied_embeddings, attention } = geometryOfClass(
    "Ernie4_5ForCausalLM",
  );
  assert.deepEqual(rope, { theta: 500000, scaling: null, interleaved: true });
  assert.deepEqual([kv_heads, head_dim, tied_embeddings, attention], [2, 128, true, undefined]);
});

Deno.test("ernie has biases in all projections or in none", () => {
  const { attention, mlp } = geometryOfClass("Ernie4_5ForCausalLM", { use_bias: true });
  assert.deepEqual([attention, mlp], [{ bias: "qkvo" }, { bias: true }]);
});
