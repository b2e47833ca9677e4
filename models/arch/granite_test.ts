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

Deno.test("graniteHybrid has a recurrence in the layers that layer_types says, else in all", () => {
  const of = (fields: Record<string, unknown>) =>
    geometryOfClass("GraniteMoeHybridForCausalLM", {
      hidden_size: 32,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      mamba_n_heads: 4,
      ...fields,
    });
  const usual = { heads: 4, head_dim: 16, state: 256, groups: 1, kernel: 4, kernel_bias: true };
  for (const name of ["mamba", "linear_attention"]) {
    const { recurrence } = of({ layer_types: [name, "attention"] });
    assert.deepEqual(recurrence, { layers: [0], ...usual });
  }
  assert.deepEqual(of({ time_step_limit: [0, { __float__: "Infinity" }] }).recurrence, {
    layers: [0, 1],
    ...usual,
  });
  const others = {
    mamba_n_groups: 2,
    mamba_d_head: 16,
    mamba_d_state: 24,
    mamba_d_conv: 3,
    mamba_conv_bias: false,
    mamba_proj_bias: true,
  };
  assert.deepEqual(of(others).recurrence, {
    layers: [0, 1],
    heads: 4,
    head_dim: 16,
    state: 24,
    groups: 2,
    kernel: 3,
    bias: true,
  });
});

Deno.test("graniteHybrid refuses what the recurrence cannot be by name", () => {
  const refused = (fields: Record<string, unknown>, message: RegExp) =>
    assert.throws(
      () =>
        geometryOfClass("GraniteMoeHybridForCausalLM", {
          hidden_size: 32,
          mamba_n_heads: 4,
          ...fields,
        }),
      message,
    );
  refused(
    { mamba_d_head: 8 },
    /mamba_n_heads 4 of mamba_d_head 8 \(supported: 64, mamba_expand times hidden_size\)/,
  );
  refused({ mamba_n_groups: 3 }, /mamba_n_groups 3 \(supported: a divisor of mamba_n_heads 4\)/);
  refused({ time_step_limit: [0, 0.1] }, /time_step_limit 0, 0.1 \(supported: none\)/);
  refused({ layer_types: ["rwkv"] }, /layer_types rwkv/);
});
