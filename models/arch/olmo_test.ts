import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

Deno.test("olmo2 norms outputs, and the queries and keys of all heads together", () => {
  const { norms, attention, norm_eps } = geometryOfClass("Olmo2ForCausalLM");
  assert.deepEqual([norms, attention, norm_eps], [
    { before: false, after: true },
    { qk_norm: "all" },
    1e-5,
  ]);
});

Deno.test("olmo3 scales the rotation of the layers without a window only", () => {
  const rope_scaling = { rope_type: "yarn", factor: 8, original_max_position_embeddings: 8192 };
  const { local, rope } = geometryOfClass("Olmo3ForCausalLM", {
    num_hidden_layers: 4,
    max_position_embeddings: 65536,
    rope_theta: 500000,
    rope_scaling,
  });
  assert.deepEqual(local, {
    window: 4096,
    layers: [0, 1, 2],
    rope: { theta: 500000, scaling: null },
  });
  assert.deepEqual([rope.theta, rope.scaling], [500000, rope_scaling]);
});

Deno.test("olmo3 refuses a scaled rotation of layers with a window", () => {
  const sliding_attention = { rope_type: "linear", factor: 2, rope_theta: 10000 };
  const full_attention = { rope_type: "default", rope_theta: 10000 };
  assert.throws(
    () =>
      geometryOfClass("Olmo3ForCausalLM", {
        rope_parameters: { sliding_attention, full_attention },
      }),
    /rope type linear of sliding layers \(supported: default\)/,
  );
});
