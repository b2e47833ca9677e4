import assert from "node:assert/strict";
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
  const scaling = { rope_type: "llama3", factor: 8, rope_theta: 500000 };
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

Deno.test("describe() takes Mistral whose window never closes", () => {
  const mistral = { ...MINIMAL, architectures: ["MistralForCausalLM"] };
  assert.equal(
    describe({ ...mistral, sliding_window: null }, "c").geometry.architecture,
    "MistralForCausalLM",
  );
  assert.equal(describe({ ...mistral, sliding_window: 4096 }, "c").geometry.context, 2048);
});
