import assert from "node:assert/strict";
import { describe } from "./describe.ts";

const described = (fields: Record<string, unknown> = {}) =>
  describe({
    architectures: ["Mamba2ForCausalLM"],
    hidden_size: 32,
    num_hidden_layers: 2,
    num_heads: 8,
    head_dim: 8,
    vocab_size: 100,
    ...fields,
  }, "config.json");

Deno.test("mamba2 has a recurrence alone in every layer, and needs no fields of attention or MLP", () => {
  const { geometry, architecture } = described();
  assert.deepEqual(geometry.alone, { mixer: [0, 1], mlp: [] });
  assert.deepEqual(geometry.recurrence, {
    layers: [0, 1],
    heads: 8,
    head_dim: 8,
    state: 128,
    groups: 8,
    kernel: 4,
    kernel_bias: true,
  });
  const { embedding, layers, head } = architecture.tensors(geometry);
  const names = [embedding[0], layers[1][0], layers[1][1], head[0]].map(({ name }) => name);
  assert.deepEqual(names, [
    "backbone.embeddings.weight",
    "backbone.layers.1.norm.weight",
    "backbone.layers.1.mixer.in_proj.weight",
    "backbone.norm_f.weight",
  ]);
});

Deno.test("mamba2 refuses heads and groups that do not fit", () => {
  assert.throws(
    () => described({ num_heads: 4 }),
    /num_heads 4 of head_dim 8 \(supported: 64, exp/,
  );
  assert.throws(() => described({ n_groups: 3 }), /n_groups 3 \(supported: a divisor of num_heads/);
});
