import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

const NAME = "Lfm2ForCausalLM";

Deno.test("lfm2 has a convolution in the layers that layer_types or full_attn_idxs say", () => {
  const layer_types = ["conv", "full_attention"];
  const { convolution, attention } = geometryOfClass(NAME, { layer_types });
  assert.deepEqual(convolution, { kernel: 3, layers: [0] });
  assert.deepEqual(attention, { qk_norm: true });
  const earlier = { full_attn_idxs: [0], conv_bias: true, conv_L_cache: 4 };
  assert.deepEqual(geometryOfClass(NAME, earlier).convolution, {
    kernel: 4,
    layers: [1],
    bias: true,
  });
  assert.equal(geometryOfClass(NAME).convolution, undefined);
});

Deno.test("lfm2 cuts the stated width of the MLP to two thirds and rounds it up", () => {
  const width = (fields: Record<string, unknown>) => geometryOfClass(NAME, fields).intermediate;
  assert.equal(width({ intermediate_size: 12288 }), 8192);
  assert.equal(width({ block_ff_dim: 6656, intermediate_size: 1 }), 4608);
  assert.equal(width({ intermediate_size: 600, block_ffn_dim_multiplier: 1.5 }), 768);
  assert.equal(width({ intermediate_size: 600, block_ffn_dim_multiplier: null }), 400);
  assert.equal(width({ intermediate_size: 600, block_auto_adjust_ff_dim: false }), 600);
});

Deno.test("lfm2 reads the former name of tie_word_embeddings", () => {
  assert.equal(geometryOfClass(NAME).tied_embeddings, true);
  assert.equal(geometryOfClass(NAME, { tie_embedding: false }).tied_embeddings, false);
});

Deno.test("lfm2 refuses windows", () => {
  assert.throws(
    () => geometryOfClass(NAME, { layer_types: ["conv", "sliding_attention"] }),
    /layer_types sliding_attention \(supported: full_attention, conv\)/,
  );
});
