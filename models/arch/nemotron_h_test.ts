import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

const geometry = (fields: Record<string, unknown> = {}) =>
  geometryOfClass("NemotronHForCausalLM", { num_hidden_layers: undefined, ...fields });

Deno.test("nemotronH has one half a layer, as the pattern or the list of config.json says", () => {
  const { alone, experts, heads, intermediate, layers, mlp, recurrence, rope } = geometry({
    hybrid_override_pattern: "ME-*M",
    moe_intermediate_size: 20,
    moe_shared_expert_intermediate_size: 28,
    routed_scaling_factor: 2.5,
  });
  assert.deepEqual([layers, heads, intermediate], [5, 32, 20]);
  assert.deepEqual(alone, { mixer: [0, 3, 4], mlp: [1, 2] });
  assert.deepEqual([recurrence!.layers, rope.skipped_layers], [[0, 4], [0, 1, 2, 3, 4]]);
  assert.deepEqual(mlp, { activation: "relu2", gated: false });
  assert.deepEqual(experts, {
    count: 8,
    active: 2,
    normalised: true,
    scores: "sigmoid",
    correction: true,
    scale: 2.5,
    shared: { intermediate: 28 },
    dense: { layers: [2], intermediate: 96 },
  });
  const listed = geometry({ layers_block_type: ["mamba", "mlp", "attention"] });
  assert.deepEqual(listed.alone, { mixer: [0, 2], mlp: [1] });
  assert.deepEqual([listed.experts, listed.intermediate, listed.head_dim], [undefined, 96, 128]);
});

Deno.test("nemotronH refuses by name what its layers cannot be", () => {
  const refused = (fields: Record<string, unknown>, message: RegExp) =>
    assert.throws(() => geometry({ hybrid_override_pattern: "M*-E", ...fields }), message);
  refused({ hybrid_override_pattern: "M*G" }, /a layer G \(supported: linear_attention, full_/);
  refused({ num_hidden_layers: 3 }, /a pattern of 4 of its 3 layers/);
  refused({ n_groups: 3 }, /n_groups 3 \(supported: a divisor of mamba_num_heads 128\)/);
  refused({ attention_bias: true }, /attention_bias true/);
  refused({ mlp_bias: true }, /mlp_bias true beside experts/);
  refused({ moe_latent_size: 16 }, /moe_latent_size 16 \(supported: null\)/);
  refused({ mlp_hidden_act: "silu" }, /mlp_hidden_act silu \(supported: relu2\)/);
  refused({ time_step_limit: [0.1, 1] }, /time_step_limit 0.1, 1/);
});
