import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

const rope = (fields: Record<string, unknown> = {}) =>
  geometryOfClass("SmolLM3ForCausalLM", { head_dim: 16, num_hidden_layers: 5, ...fields }).rope;

Deno.test("smollm3 does not rotate every fourth layer", () => {
  assert.deepEqual([rope().theta, rope().skipped_layers], [2e6, [3]]);
  assert.deepEqual(rope({ no_rope_layer_interval: 2 }).skipped_layers, [1, 3]);
});

Deno.test("smollm3 does not rotate the layers that no_rope_layers marks with 0", () => {
  assert.deepEqual(rope({ no_rope_layers: [0, 1, 1, 1, 0] }).skipped_layers, [0, 4]);
  assert.throws(() => rope({ no_rope_layers: [0, 1] }), /no_rope_layers of 2 of its 5 layers/);
});
