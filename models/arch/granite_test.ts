import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

const geometry = (fields: Record<string, unknown> = {}) =>
  geometryOfClass("GraniteForCausalLM", fields);

Deno.test("granite takes its factors from config.json, and 1 is no factor", () => {
  const { attention, embedding_scale, residual_scale, logit_scale } = geometry({
    attention_multiplier: 0.015625,
    embedding_multiplier: 12,
    residual_multiplier: 0.22,
    logits_scaling: 8,
  });
  assert.deepEqual([attention, embedding_scale, residual_scale, logit_scale], [
    { scale: 0.015625 },
    12,
    0.22,
    0.125,
  ]);
  const plain = geometry({ embedding_multiplier: 1, residual_multiplier: 1, logits_scaling: 1 });
  assert.deepEqual(plain.attention, { scale: 1 });
  for (const field of ["embedding_scale", "residual_scale", "logit_scale"]) {
    assert.ok(!(field in plain), field);
  }
});

Deno.test("graniteHybrid is an MLP that has the name of a shared one, unless there are experts", () => {
  const of = (fields: Record<string, unknown>) =>
    geometryOfClass("GraniteMoeHybridForCausalLM", {
      layer_types: ["attention", "attention"],
      shared_intermediate_size: 40,
      ...fields,
    });
  const dense = of({ num_local_experts: 0, num_experts_per_tok: 0 });
  assert.deepEqual([dense.experts, dense.intermediate], [undefined, 40]);
  assert.deepEqual(dense.rope.skipped_layers, [0, 1]);
  const mixed = of({ position_embedding_type: "rope" });
  assert.deepEqual(mixed.experts, {
    count: 8,
    active: 2,
    normalised: true,
    shared: { intermediate: 40 },
  });
  assert.equal(mixed.rope.skipped_layers, undefined);
});

Deno.test("graniteHybrid refuses layers with a state space by name", () => {
  const refused = (fields: Record<string, unknown>, message: RegExp) =>
    assert.throws(() => geometryOfClass("GraniteMoeHybridForCausalLM", fields), message);
  refused(
    { layer_types: ["mamba", "attention"] },
    /layer_types mamba \(supported: attention, full_attention\)/,
  );
  refused({}, /no layer_types, which stands for state-space layers/);
});
