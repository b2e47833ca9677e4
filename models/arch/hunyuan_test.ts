import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

const rope = (fields: Record<string, unknown>) =>
  geometryOfClass("HunYuanDenseV1ForCausalLM", { head_dim: 128, ...fields }).rope;

Deno.test("hunyuan stretches the base once and for all by alpha", () => {
  const { theta, scaling } = rope({ rope_scaling: { type: "dynamic", alpha: 1000, factor: 1 } });
  assert.equal(scaling, null);
  assert.ok(Math.abs(theta / (10000 * 1000 ** (128 / 126)) - 1) < 1e-12, `${theta}`);
});

Deno.test("hunyuan without alpha scales as other models do", () => {
  const { theta, scaling } = rope({ rope_scaling: { type: "dynamic", factor: 2 } });
  assert.deepEqual([theta, scaling], [10000, { type: "dynamic", factor: 2 }]);
});
