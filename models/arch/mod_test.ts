import assert from "node:assert/strict";
import { geometrySchema } from "../manifest.ts";
import { describe } from "./mod.ts";

const MINIMAL = {
  architectures: ["LlamaForCausalLM"],
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  vocab_size: 300,
};

Deno.test("describe() fills in what config.json leaves out as transformers does", () => {
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

Deno.test("describe() fills in what a scaling takes from other fields as transformers does", () => {
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

Deno.test("describe() ends the context of length-dependent scalings where transformers would change the angles", () => {
  const factors = Array.from({ length: 8 }, () => 1);
  const longrope = { type: "su", short_factor: factors, long_factor: factors };
  const config = { ...MINIMAL, original_max_position_embeddings: 512, rope_scaling: longrope };
  const { context, rope } = describe(config, "config.json").geometry;
  assert.deepEqual([context, rope.scaling?.rope_type, rope.scaling?.factor], [512, "longrope", 4]);
  const dynamic = { ...MINIMAL, rope_scaling: { type: "dynamic", factor: 2 } };
  assert.equal(describe(dynamic, "config.json").geometry.context, 2048);
});

Deno.test("describe() gives each family transformers' defaults", () => {
  const of = (name: string, fields = {}) =>
    describe({ ...MINIMAL, num_attention_heads: 32, architectures: [name], ...fields }, "c")
      .geometry;
  const mistral = of("MistralForCausalLM", { head_dim: 8 });
  assert.deepEqual(
    [mistral.kv_heads, mistral.context, mistral.local],
    [8, 131072, { window: 4096, layers: [0, 1] }],
  );
  assert.equal(of("MistralForCausalLM", { head_dim: 8, sliding_window: null }).local, undefined);
  assert.equal(
    of("MistralForCausalLM", { head_dim: 8, max_position_embeddings: 4096 }).local,
    undefined,
    "a window that never closes",
  );
  assert.deepEqual(of("Qwen2ForCausalLM").attention, { bias: "qkv" });
  assert.deepEqual([of("Qwen3ForCausalLM").head_dim, of("Qwen3ForCausalLM").attention], [128, {
    qk_norm: true,
  }]);
  const gemma = of("Gemma2ForCausalLM");
  assert.deepEqual(
    [
      gemma.tied_embeddings,
      gemma.head_dim,
      gemma.attention,
      gemma.logit_softcap,
      gemma.local?.layers,
    ],
    [true, 256, { scale: 1 / 16, softcap: 50 }, 30, [0]],
  );
  const gemma3 = of("Gemma3ForCausalLM", { num_hidden_layers: 7 });
  assert.deepEqual(
    [gemma3.rope.theta, gemma3.local],
    [1e6, { window: 4096, layers: [0, 1, 2, 3, 4, 6], rope: { theta: 10000, scaling: null } }],
  );
  const smollm3 = of("SmolLM3ForCausalLM", { head_dim: 16, num_hidden_layers: 5 });
  assert.deepEqual([smollm3.rope.theta, smollm3.rope.skipped_layers], [2e6, [3]]);
  assert.equal(of("Phi3ForCausalLM", { head_dim: 16, partial_rotary_factor: 0.5 }).rope.dims, 8);
});

Deno.test("describe() refuses what a family does not support by name, with what it does", () => {
  const refused: [Record<string, unknown>, string, RegExp][] = [
    [
      { architectures: ["MixtralForCausalLM"] },
      "architecture_unknown",
      /MixtralForCausalLM.*LlamaFor.*Phi3For/,
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
      { partial_rotary_factor: 0.2 },
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

Deno.test("a manifest's geometry with a field that this version does not know is refused with what to do", () => {
  const { geometry } = describe(MINIMAL, "config.json");
  assert.deepEqual(geometrySchema.parse(geometry), geometry);
  for (
    const strange of [{ ...geometry, experts: 8 }, {
      ...geometry,
      rope: { ...geometry.rope, spin: 2 },
    }]
  ) {
    const { error } = geometrySchema.safeParse(strange);
    assert.match(error!.issues[0].message, /does not know (experts|spin); update this node/);
  }
});
