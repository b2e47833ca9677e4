import assert from "node:assert/strict";
import { geometryWith } from "../../tests/support/minimal_config.ts";
import { decoderTensors, layerTensors } from "./tensors.ts";

Deno.test("layerTensors() gives a Llama layer's nine tensors with their names and shapes", () => {
  const layer = layerTensors(geometryWith({ num_key_value_heads: 2 }), 1);
  assert.equal(layer.size, 9);
  assert.deepEqual(layer.get("attn.k"), {
    key: "attn.k",
    name: "model.layers.1.self_attn.k_proj.weight",
    shape: [32, 64],
    role: "projection",
  });
  assert.deepEqual(layer.get("mlp_norm"), {
    key: "mlp_norm",
    name: "model.layers.1.post_attention_layernorm.weight",
    shape: [64],
    role: "norm",
  });
});

Deno.test("layerTensors() adds the biases and norms that the geometry asks for", () => {
  const geometry = {
    ...geometryWith({}),
    attention: { bias: "qkv" as const, qk_norm: true },
    mlp: { bias: true },
    norms: { after: true },
  };
  const layer = layerTensors(geometry, 0);
  const shapes = (...keys: string[]) => keys.map((key) => layer.get(key)?.shape);
  assert.deepEqual(shapes("attn.q_bias", "attn.o_bias", "mlp.gate_bias", "mlp.down_bias"), [
    [64],
    undefined,
    [96],
    [64],
  ]);
  assert.deepEqual(shapes("attn.q_norm", "mlp_after_norm"), [[16], [64]]);
  assert.equal(
    layer.get("mlp_norm")?.name,
    "model.layers.0.pre_feedforward_layernorm.weight",
    "with norms after the blocks the norm before the MLP has another name",
  );
});

Deno.test("decoderTensors() takes a tied LM head from the embedding", () => {
  const head = (tied: boolean) =>
    decoderTensors(geometryWith({ tie_word_embeddings: tied })).head.map(({ name }) => name);
  assert.deepEqual(head(true), ["model.norm.weight", "model.embed_tokens.weight"]);
  assert.deepEqual(head(false), ["model.norm.weight", "lm_head.weight"]);
  assert.equal(decoderTensors(geometryWith({})).layers.length, 2);
});
