import assert from "node:assert/strict";
import { MINIMAL_CONFIG } from "../../tests/support/minimal_config.ts";
import { parseConfig } from "./config.ts";
import { decoder, layersWhere, slidingLayers, windowOf } from "./decoder.ts";

const config = (fields: Record<string, unknown> = {}) =>
  parseConfig({ ...MINIMAL_CONFIG, num_hidden_layers: 4, ...fields }, "config.json");

Deno.test("decoder() reads the geometry of a family without differences as Llama's", () => {
  const family = decoder({ classes: ["X"] });
  const geometry = family.geometry(config(), "X");
  assert.deepEqual(
    [geometry.architecture, geometry.kv_heads, geometry.head_dim, geometry.rope],
    ["X", 4, 16, { theta: 10000, scaling: null }],
  );
  assert.deepEqual(family.unsupported(config()), []);
});

Deno.test("decoder() puts a family's traits and skipped layers into the geometry", () => {
  const family = decoder({
    classes: ["X"],
    traits: () => ({ embedding_scale: 2, local: undefined }),
    skipsRotation: (_, layer) => layer === 2,
  });
  const geometry = family.geometry(config(), "X");
  assert.deepEqual([geometry.embedding_scale, geometry.rope.skipped_layers], [2, [2]]);
  assert.equal("local" in geometry, false, "an undefined trait leaves no field");
});

Deno.test("decoder() lists every unsupported setting, then the family's own", () => {
  const family = decoder({ classes: ["X"], ropeTypes: ["default"], unsupported: () => ["more"] });
  const found = family.unsupported(config({
    hidden_act: "relu",
    rope_scaling: { type: "yarn", factor: 2 },
    layer_types: ["full_attention", "odd_attention"],
  }));
  assert.deepEqual(found, [
    "hidden_act relu (supported: silu)",
    "rope_scaling type yarn (supported: default)",
    "layer_types odd_attention (supported: full_attention, sliding_attention)",
    "layer_types of 2 of its 4 layers",
    "more",
  ]);
});

Deno.test("slidingLayers() believes layer_types before the family", () => {
  const even = (layer: number) => layer % 2 === 0;
  assert.deepEqual(layersWhere(config(), even), [0, 2]);
  assert.deepEqual(slidingLayers(config(), even), [0, 2]);
  const types = ["full_attention", "sliding_attention", "full_attention", "full_attention"];
  assert.deepEqual(slidingLayers(config({ layer_types: types }), even), [1]);
});

Deno.test("windowOf() is undefined for a window that hides nothing", () => {
  assert.deepEqual(windowOf(config({ sliding_window: 8 }), [1]), { window: 8, layers: [1] });
  assert.equal(windowOf(config({ sliding_window: 8 }), []), undefined);
  assert.equal(windowOf(config(), [1]), undefined);
  assert.equal(windowOf(config({ sliding_window: 2048 }), [1]), undefined);
});
