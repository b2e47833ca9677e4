import assert from "node:assert/strict";
import { MINIMAL_CONFIG } from "../../tests/support/minimal_config.ts";
import { describe } from "./describe.ts";
import { textTensorName } from "./text_part.ts";

const whole = (name: string, text: Record<string, unknown>, others = {}) => ({
  architectures: [name],
  text_config: { ...MINIMAL_CONFIG, architectures: undefined, ...text },
  vision_config: { hidden_size: 7 },
  ...others,
});

Deno.test("describe() reads the text model of a multimodal config.json", () => {
  const { geometry, textPart } = describe(
    whole("Gemma3ForConditionalGeneration", { model_type: "gemma3_text", hidden_size: 128 }),
    "config.json",
  );
  assert.deepEqual([geometry.architecture, geometry.hidden, textPart], [
    "Gemma3ForCausalLM",
    128,
    true,
  ]);
});

Deno.test("describe() fills a text model's fields from the whole model, then from its class", () => {
  const { geometry, config } = describe(
    whole(
      "Mistral3ForConditionalGeneration",
      { model_type: "ministral3", num_attention_heads: 8 },
      {
        eos_token_id: 2,
        tie_word_embeddings: false,
      },
    ),
    "config.json",
  );
  assert.deepEqual([geometry.architecture, geometry.tied_embeddings, config.eos_token_id], [
    "Ministral3ForCausalLM",
    false,
    2,
  ]);
  const { geometry: gemma } = describe({
    architectures: ["Gemma3ForConditionalGeneration"],
    text_config: { hidden_size: 64, intermediate_size: 96, num_hidden_layers: 2 },
  }, "config.json");
  assert.deepEqual([gemma.heads, gemma.vocab, gemma.tied_embeddings], [8, 262208, true]);
});

Deno.test("describe() ties Qwen 3.5 as the whole model says, and others as the text model does", () => {
  const tied = (name: string, type: string) =>
    describe(
      whole(name, { model_type: type, tie_word_embeddings: false }, { tie_word_embeddings: true }),
      "config.json",
    ).geometry.tied_embeddings;
  assert.equal(tied("Qwen3_5ForConditionalGeneration", "qwen3_5_text"), true);
  assert.equal(tied("Gemma3ForConditionalGeneration", "gemma3_text"), false);
});

Deno.test("describe() refuses a text model of another class by its type", () => {
  assert.throws(
    () => describe(whole("Mistral3ForConditionalGeneration", { model_type: "mamba" }), "c.json"),
    /architecture mamba is not supported/,
  );
});

Deno.test("textTensorName() finds the text model in either layout and leaves the rest out", () => {
  assert.deepEqual(
    [
      "language_model.model.layers.0.mlp.up_proj.weight",
      "model.language_model.layers.0.mlp.up_proj.weight",
      "language_model.lm_head.weight",
      "lm_head.weight",
      "vision_tower.encoder.layers.0.norm.weight",
      "model.multi_modal_projector.norm.weight",
    ].map(textTensorName),
    [
      "model.layers.0.mlp.up_proj.weight",
      "model.layers.0.mlp.up_proj.weight",
      "lm_head.weight",
      "lm_head.weight",
      undefined,
      undefined,
    ],
  );
});
