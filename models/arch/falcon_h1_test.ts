import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

const geometry = (fields: Record<string, unknown> = {}) =>
  geometryOfClass("FalconH1ForCausalLM", {
    num_attention_heads: 8,
    mamba_d_ssm: 96,
    mamba_n_heads: 6,
    ...fields,
  });

Deno.test("falconH1 has attention and a recurrence in every layer, and folds its factors", () => {
  const plain = geometry();
  assert.deepEqual(plain.recurrence, {
    layers: [0, 1],
    heads: 6,
    head_dim: 16,
    state: 256,
    groups: 1,
    kernel: 4,
    kernel_bias: true,
    norm: "none",
    beside: { state: 1, attention: 1 },
  });
  assert.deepEqual([plain.mlp, plain.embedding_scale, plain.logit_scale], Array(3).fill(undefined));
  const scaled = geometry({
    ssm_in_multiplier: 2,
    ssm_multipliers: [1, 2, 3, 4, 5],
    ssm_out_multiplier: 0.5,
    attention_in_multiplier: 3,
    attention_out_multiplier: 0.25,
    key_multiplier: 0.5,
    mlp_multipliers: [0.75, 0.125],
    embedding_multiplier: 5,
    lm_head_multiplier: 0.0625,
  });
  assert.deepEqual(scaled.recurrence!.factors, [2, 4, 6, 8, 10]);
  assert.deepEqual(scaled.recurrence!.beside, { state: 0.5, attention: 0.75 });
  assert.equal(scaled.attention!.scale, 9 * 0.5 / Math.sqrt(8));
  assert.deepEqual(scaled.mlp, { gate_scale: 0.75, scale: 0.125 });
  assert.deepEqual([scaled.embedding_scale, scaled.logit_scale], [5, 0.0625]);
});

Deno.test("falconH1 norms before the gate, after it or not at all", () => {
  const norm = (fields: Record<string, unknown>) => geometry(fields).recurrence!.norm;
  assert.equal(norm({ mamba_rms_norm: true }), "first");
  assert.equal(norm({ mamba_rms_norm: true, mamba_norm_before_gate: false }), undefined);
  assert.equal(norm({ mamba_norm_before_gate: false }), "none");
});

Deno.test("falconH1 refuses biases of projections and other widths by name", () => {
  for (const field of ["attention_bias", "mamba_proj_bias", "projectors_bias"]) {
    assert.throws(() => geometry({ [field]: true }), new RegExp(`${field} true`));
  }
  assert.throws(
    () => geometry({ mamba_d_ssm: null, mamba_d_head: 16 }),
    /mamba_n_heads 6 of mamba_d_head 16 \(supported: 128, mamba_d_ssm, or mamba_expand/,
  );
});
