import assert from "node:assert/strict";
import { MINIMAL_CONFIG as MINIMAL } from "../../tests/support/minimal_config.ts";
import { describe } from "./describe.ts";

Deno.test("describe() gives absent fields of config.json the defaults of transformers", () => {
  assert.deepEqual(describe(MINIMAL, "config.json").geometry, {
    architecture: "LlamaForCausalLM",
    layers: 2,
    hidden: 64,
    intermediate: 96,
    heads: 4,
    kv_heads: 4,
    head_dim: 16,
    vocab: 300,
    context: 2048,
    norm_eps: 1e-6,
    rope: { theta: 10000, scaling: null },
    tied_embeddings: false,
  });
});

Deno.test("describe() reads both forms of the RoPE settings", () => {
  const scaling = {
    rope_type: "llama3",
    factor: 8,
    rope_theta: 500000,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const rope = (fields: Record<string, unknown>) =>
    describe({ ...MINIMAL, ...fields }, "config.json").geometry.rope;
  assert.deepEqual(rope({ rope_theta: 500000, rope_scaling: { type: "linear", factor: 2 } }), {
    theta: 500000,
    scaling: { type: "linear", factor: 2 },
  });
  assert.deepEqual(rope({ rope_parameters: scaling }), { theta: 500000, scaling });
  assert.deepEqual(rope({ rope_parameters: { rope_type: "default", rope_theta: 7 } }), {
    theta: 7,
    scaling: null,
  });
});

Deno.test("describe() completes a scaling from other fields as transformers does", () => {
  const scaling = (fields: Record<string, unknown>) =>
    describe({ ...MINIMAL, ...fields }, "config.json").geometry.rope.scaling;
  assert.deepEqual(
    scaling({ rope_scaling: { type: "yarn", original_max_position_embeddings: 512 } }),
    { type: "yarn", original_max_position_embeddings: 512, factor: 4 },
  );
  assert.equal(
    scaling({
      original_max_position_embeddings: 1024,
      rope_scaling: { type: "yarn", factor: 2, original_max_position_embeddings: 7 },
    })?.original_max_position_embeddings,
    1024,
  );
});

Deno.test("describe() ends the context where transformers would change the angles", () => {
  const factors = Array.from({ length: 8 }, () => 1);
  const longrope = { type: "su", short_factor: factors, long_factor: factors };
  const config = { ...MINIMAL, original_max_position_embeddings: 512, rope_scaling: longrope };
  const { context, rope } = describe(config, "config.json").geometry;
  assert.deepEqual([context, rope.scaling?.rope_type, rope.scaling?.factor], [512, "longrope", 4]);
  const dynamic = { ...MINIMAL, rope_scaling: { type: "dynamic", factor: 2 } };
  assert.equal(describe(dynamic, "config.json").geometry.context, 2048);
});

Deno.test("describe() rotates dynamic as in a text of the context's length, where one is asked for", () => {
  const config = { ...MINIMAL, head_dim: 16, rope_scaling: { type: "dynamic", factor: 4 } };
  const of = (context: number) => describe(config, "config.json", { context }).geometry;
  assert.deepEqual(of(1000).rope, { theta: 10000, scaling: { type: "dynamic", factor: 4 } });
  const { context, rope } = of(8192);
  assert.deepEqual([context, rope.scaling], [8192, null]);
  assert.ok(Math.abs(rope.theta / (10000 * 13 ** (16 / 14)) - 1) < 1e-12, `${rope.theta}`);
  assert.throws(
    () => of(8193),
    /a context of 8193 rows is not supported; this model has 1 to 8192/,
  );
});

Deno.test("describe() refuses an unsupported setting by name and says what is supported", () => {
  const refused: [Record<string, unknown>, string, RegExp][] = [
    [
      { architectures: ["DeepseekV32ForCausalLM"] },
      "architecture_unknown",
      /DeepseekV32ForCausalLM.*LlamaFor.*Phi3For/,
    ],
    [{ hidden_act: "relu" }, "feature_unsupported", /hidden_act relu \(supported: silu\)/],
    [
      { architectures: ["Gemma2ForCausalLM"], hidden_activation: "gelu", num_attention_heads: 4 },
      "feature_unsupported",
      /hidden_activation gelu \(supported: gelu_pytorch_tanh\)/,
    ],
    [
      { rope_scaling: { rope_type: "proportional" } },
      "feature_unsupported",
      /rope_scaling type proportional \(supported: default, linear, dynamic, yarn, longrope, llama3\)/,
    ],
    [
      { architectures: ["Qwen2ForCausalLM"], layer_types: ["linear_attention", "full_attention"] },
      "feature_unsupported",
      /layer_types linear_attention \(supported: full_attention, sliding_attention\)/,
    ],
    [
      { architectures: ["Gemma3ForCausalLM"], use_bidirectional_attention: true },
      "feature_unsupported",
      /use_bidirectional_attention true/,
    ],
    [
      { architectures: ["Phi3ForCausalLM"], rope_scaling: { type: "linear", factor: 2 } },
      "feature_unsupported",
      /rope_scaling type linear \(supported: default, longrope\)/,
    ],
    [{ rope_scaling: { type: "linear" } }, "config_malformed", /rope_scaling.*factor/],
    [
      { architectures: ["Phi3ForCausalLM"], partial_rotary_factor: 0.2 },
      "config_malformed",
      /partial_rotary_factor: RoPE cannot rotate 3/,
    ],
  ];
  for (const [fields, code, message] of refused) {
    assert.throws(
      () => describe({ ...MINIMAL, ...fields }, "config.json"),
      (error: { code: string; message: string }) => {
        assert.equal(error.code, code, error.message);
        assert.match(error.message, message);
        return true;
      },
    );
  }
});

Deno.test("describe() takes a context, and longrope's beyond its original length only if asked", () => {
  const rope_scaling = {
    type: "longrope",
    short_factor: Array(8).fill(1),
    long_factor: Array(8).fill(3),
  };
  const json = {
    ...MINIMAL,
    architectures: ["Phi3ForCausalLM"],
    max_position_embeddings: 131072,
    original_max_position_embeddings: 4096,
    rope_scaling,
  };
  const of = (context?: number) => describe(json, "config.json", { context }).geometry;
  assert.deepEqual([of().context, of().rope.long], [4096, undefined]);
  assert.deepEqual([of(2000).context, of(2000).rope.long], [2000, undefined]);
  assert.deepEqual([of(16384).context, of(16384).rope.long], [16384, true]);
  const refused = /a context of 200000 rows is not supported; this model has 1 to 131072/;
  assert.throws(() => of(200000), refused);
  assert.throws(() => describe(MINIMAL, "config.json", { context: 4096 }), /1 to 2048/);
  assert.throws(
    () =>
      describe({ ...json, rope_scaling: { ...rope_scaling, long_factor: [1] } }, "config.json", {
        context: 16384,
      }),
    /long_factor: has 1 numbers for 8 pairs/,
  );
});
