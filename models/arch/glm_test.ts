import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

for (const name of ["GlmForCausalLM", "Glm4ForCausalLM"]) {
  Deno.test(`${name} rotates neighbours in half of each head`, () => {
    const { rope, attention, kv_heads } = geometryOfClass(name);
    assert.deepEqual(rope, { theta: 10000, scaling: null, dims: 64, interleaved: true });
    assert.deepEqual([attention, kv_heads], [{ bias: "qkv" }, 2]);
  });
}

Deno.test("glm4 alone norms the outputs of attention and MLP", () => {
  assert.equal(geometryOfClass("GlmForCausalLM").norms, undefined);
  assert.deepEqual(geometryOfClass("Glm4ForCausalLM").norms, { after: true });
});
