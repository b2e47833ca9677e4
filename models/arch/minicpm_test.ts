import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

Deno.test("minicpm takes its factors from config.json", () => {
  const fields = { scale_emb: 12, scale_depth: 1.4, dim_model_base: 16, num_hidden_layers: 4 };
  const geometry = geometryOfClass("MiniCPMForCausalLM", fields);
  const { embedding_scale, residual_scale, logit_scale, tied_embeddings } = geometry;
  assert.deepEqual([embedding_scale, residual_scale, logit_scale], [12, 0.7, 0.25]);
  assert.equal(tied_embeddings, true);
});

Deno.test("minicpm refuses sparse attention and biases of attention", () => {
  const refused = (fields: Record<string, unknown>, message: RegExp) =>
    assert.throws(() => geometryOfClass("MiniCPMForCausalLM", fields), message);
  refused({ sparse_config: { topk: 64 } }, /sparse_config \(supported: null\)/);
  refused({ attention_bias: true }, /attention_bias true/);
});

Deno.test("minicpm3 has latent attention, and factors that null takes away", () => {
  const fields = { num_key_value_heads: 32, scale_depth: null, dim_model_base: null };
  const { attention, head_dim, rope, ...factors } = geometryOfClass("MiniCPM3ForCausalLM", fields);
  assert.deepEqual(attention, { latent: { rank: 256, value: 2, query_rank: 768 } });
  assert.deepEqual([head_dim, rope.dims, rope.interleaved], [96, 32, undefined]);
  const { embedding_scale, residual_scale, logit_scale } = factors;
  assert.deepEqual([embedding_scale, residual_scale, logit_scale], [12, undefined, undefined]);
});
