import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

const geometry = (fields: Record<string, unknown> = {}) =>
  geometryOfClass("Exaone4ForCausalLM", {
    num_hidden_layers: 8,
    max_position_embeddings: 131072,
    ...fields,
  });

Deno.test("exaone4 rotates the layers with a window only", () => {
  const { local, rope } = geometry();
  assert.deepEqual([local?.layers, rope.skipped_layers], [[0, 1, 2, 4, 5, 6], [3, 7]]);
});

Deno.test("exaone4 reads a pattern of letters, whose last layer has no window", () => {
  assert.deepEqual(geometry({ sliding_window_pattern: "LLG" }).local?.layers, [0, 1, 3, 4, 6]);
  const all = geometry({ sliding_window_pattern: "L" });
  assert.deepEqual([all.local?.layers.length, all.rope.skipped_layers], [7, [7]]);
});

Deno.test("exaone4 without a window rotates all layers", () => {
  const { local, rope } = geometry({ sliding_window: null, sliding_window_pattern: 0 });
  assert.deepEqual([local, rope.skipped_layers], [undefined, undefined]);
});
