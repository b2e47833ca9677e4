import assert from "node:assert/strict";
import { geometryWith } from "../../tests/support/minimal_config.ts";

Deno.test("llama has biases only where config.json says so", () => {
  const plain = geometryWith({});
  assert.deepEqual([plain.attention, plain.mlp], [undefined, undefined]);
  const biased = geometryWith({ attention_bias: true, mlp_bias: true });
  assert.deepEqual([biased.attention, biased.mlp], [{ bias: "qkvo" }, { bias: true }]);
});
