import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

const geometry = (fields: Record<string, unknown> = {}) =>
  geometryOfClass("Starcoder2ForCausalLM", fields);

Deno.test("starcoder2 has LayerNorm, biases and an MLP without gate", () => {
  const { norms, attention, mlp, kv_heads, tied_embeddings } = geometry();
  assert.deepEqual([norms, attention], [{ kind: "layer", bias: true }, { bias: "qkvo" }]);
  assert.deepEqual(mlp, { activation: "gelu_tanh", gated: false, bias: true });
  assert.deepEqual([kv_heads, tied_embeddings], [2, true]);
});

Deno.test("starcoder2 has a window in all layers where config.json states one", () => {
  const window = { sliding_window: 4096, max_position_embeddings: 16384 };
  assert.deepEqual(geometry(window).local, { window: 4096, layers: [0, 1] });
  assert.equal(geometry().local, undefined);
});

Deno.test("starcoder2 refuses another activation", () => {
  assert.throws(
    () => geometry({ hidden_act: "gelu" }),
    /hidden_act gelu \(supported: gelu_pytorch/,
  );
});
