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
