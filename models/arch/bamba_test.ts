import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

const geometry = (fields: Record<string, unknown> = {}) =>
  geometryOfClass("BambaForCausalLM", {
    num_attention_heads: 4,
    num_key_value_heads: 2,
    mamba_n_heads: 8,
    ...fields,
  });

Deno.test("bamba has attention in the layers of attn_layer_indices, and rotates half of a head", () => {
  const { recurrence, rope } = geometry({ attn_layer_indices: [1] });
  assert.deepEqual(recurrence, {
    layers: [0],
    heads: 8,
    head_dim: 16,
    state: 256,
    groups: 1,
    kernel: 4,
    kernel_bias: true,
  });
  assert.equal(rope.dims, 8);
  assert.deepEqual(geometry().recurrence!.layers, [0, 1]);
  assert.equal(geometry({ attn_layer_indices: [0, 1] }).recurrence, undefined);
});

Deno.test("bamba refuses heads that are not as wide as config.json says", () => {
  assert.throws(() => geometry({ mamba_d_head: 8 }), /mamba_n_heads 8 of mamba_d_head 8/);
});
