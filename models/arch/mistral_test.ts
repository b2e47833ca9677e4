import assert from "node:assert/strict";
import { geometryOfClass, MINIMAL_CONFIG } from "../../tests/support/minimal_config.ts";
import { mistral } from "./mistral.ts";
import { parseConfig } from "./config.ts";

const geometry = (fields: Record<string, unknown> = {}) =>
  geometryOfClass("MistralForCausalLM", { head_dim: 8, ...fields });

Deno.test("mistral has a window in all layers and transformers' defaults", () => {
  const { kv_heads, context, local } = geometry();
  assert.deepEqual([kv_heads, context, local], [8, 131072, { window: 4096, layers: [0, 1] }]);
});

Deno.test("mistral has no window where it is null or as long as the context", () => {
  assert.equal(geometry({ sliding_window: null }).local, undefined);
  assert.equal(geometry({ max_position_embeddings: 4096 }).local, undefined);
});

Deno.test("mistral refuses layers of different types", () => {
  const layer_types = ["full_attention", "sliding_attention"];
  const config = parseConfig({ ...MINIMAL_CONFIG, layer_types }, "config.json");
  assert.deepEqual(mistral.unsupported(config), [
    "layer_types that differ (supported: one for all layers)",
  ]);
});

Deno.test("ministral has a window in the layers that config.json names", () => {
  const { local } = geometryOfClass("MinistralForCausalLM", {
    head_dim: 8,
    layer_types: ["full_attention", "sliding_attention"],
  });
  assert.deepEqual(local, { window: 4096, layers: [1] });
});

Deno.test("ministral3 ends its context where its queries would be scaled", () => {
  const { context, rope } = geometryOfClass("Ministral3ForCausalLM");
  assert.deepEqual([context, rope.theta, rope.scaling?.["factor"]], [16384, 1_000_000, 16]);
});
