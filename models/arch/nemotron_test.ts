import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

const geometry = (fields: Record<string, unknown> = {}) =>
  geometryOfClass("NemotronForCausalLM", { hidden_size: 1024, ...fields });

Deno.test("nemotron has LayerNorm with stored gain - 1 and the square of ReLU without a gate", () => {
  const { norms, mlp, rope, norm_eps } = geometry();
  assert.deepEqual([norms, mlp], [
    { kind: "layer", bias: true, offset: 1 },
    { activation: "relu2", gated: false },
  ]);
  assert.deepEqual([rope.dims, norm_eps], [16, 1e-5]);
});

Deno.test("nemotron refuses another activation", () => {
  assert.throws(() => geometry({ hidden_act: "silu" }), /hidden_act silu \(supported: relu2\)/);
});
