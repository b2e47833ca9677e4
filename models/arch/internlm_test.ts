import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

const traits = (fields: Record<string, unknown>) => {
  const { attention, mlp, kv_heads } = geometryOfClass("InternLM3ForCausalLM", fields);
  return [attention, mlp, kv_heads];
};

Deno.test("internlm3 has biases in query, key and value, in all projections or in none", () => {
  assert.deepEqual(traits({}), [undefined, undefined, 32]);
  assert.deepEqual(traits({ qkv_bias: true }), [{ bias: "qkv" }, undefined, 32]);
  assert.deepEqual(traits({ qkv_bias: true, bias: true }), [{ bias: "qkvo" }, { bias: true }, 32]);
  assert.throws(() => traits({ bias: true }), /bias true with qkv_bias false/);
});
