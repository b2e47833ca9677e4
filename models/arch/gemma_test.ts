import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

Deno.test("gemma2 caps scores and logits, and every other layer has a window", () => {
  const { tied_embeddings, head_dim, attention, logit_softcap, local } = geometryOfClass(
    "Gemma2ForCausalLM",
  );
  assert.deepEqual(
    [tied_embeddings, head_dim, attention, logit_softcap, local?.layers],
    [true, 256, { scale: 1 / 16, softcap: 50 }, 30, [0]],
  );
});

Deno.test("gemma2 scales its embedding, adds 1 to gains and norms what blocks give", () => {
  const { embedding_scale, norms, mlp } = geometryOfClass("Gemma2ForCausalLM");
  assert.deepEqual(
    [embedding_scale, norms, mlp],
    [8, { offset: 1, after: true }, { activation: "gelu_tanh" }],
  );
});

Deno.test("gemma3 has a window in five of six layers, which rotate with a base of their own", () => {
  const { rope, local } = geometryOfClass("Gemma3ForCausalLM", { num_hidden_layers: 7 });
  assert.deepEqual(
    [rope.theta, local],
    [1e6, { window: 4096, layers: [0, 1, 2, 3, 4, 6], rope: { theta: 10000, scaling: null } }],
  );
});

Deno.test("gemma3 reads the base of its sliding layers in both forms of config.json", () => {
  const theta = (fields: Record<string, unknown>) =>
    geometryOfClass("Gemma3ForCausalLM", fields).local?.rope?.theta;
  assert.equal(theta({ rope_local_base_freq: 5000 }), 5000);
  const sliding_attention = { rope_type: "default", rope_theta: 7000 };
  assert.equal(theta({ rope_parameters: { sliding_attention } }), 7000);
});

Deno.test("gemma3 caps no scores, whatever config.json says, as in transformers", () => {
  const { attention } = geometryOfClass("Gemma3ForCausalLM", { attn_logit_softcapping: 50 });
  assert.deepEqual(attention, { scale: 1 / 16, qk_norm: true });
});

Deno.test("gemma3 refuses a scaling of its sliding layers", () => {
  const sliding_attention = { rope_type: "linear", factor: 2 };
  assert.throws(
    () => geometryOfClass("Gemma3ForCausalLM", { rope_parameters: { sliding_attention } }),
    /rope type linear of sliding layers \(supported: default\)/,
  );
});

Deno.test("gemma1 has none of the later versions' norms, caps and windows", () => {
  const { norms, attention, local, mlp, embedding_scale } = geometryOfClass("GemmaForCausalLM", {
    num_attention_heads: 16,
  });
  assert.deepEqual([norms, attention, local, mlp, embedding_scale], [
    { offset: 1 },
    undefined,
    undefined,
    { activation: "gelu_tanh" },
    8,
  ]);
});
