import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

Deno.test("qwen2 has biases of query, key and value", () => {
  assert.deepEqual(geometryOfClass("Qwen2ForCausalLM").attention, { bias: "qkv" });
});

Deno.test("qwen3 norms each head's query and key, of 128 elements by default", () => {
  const { head_dim, attention } = geometryOfClass("Qwen3ForCausalLM");
  assert.deepEqual([head_dim, attention], [128, { qk_norm: true }]);
});

Deno.test("qwen2 has windows from max_window_layers on, if use_sliding_window is set", () => {
  const local = (fields: Record<string, unknown>) =>
    geometryOfClass("Qwen2ForCausalLM", { num_hidden_layers: 4, max_window_layers: 3, ...fields })
      .local;
  assert.equal(local({}), undefined);
  assert.deepEqual(local({ use_sliding_window: true }), { window: 4096, layers: [3] });
});
