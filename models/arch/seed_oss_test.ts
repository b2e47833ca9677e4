import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

const attention = (fields: Record<string, unknown> = {}) =>
  geometryOfClass("SeedOssForCausalLM", fields).attention;

Deno.test("seedOss has biases of query, key and value, and of the output where it is said", () => {
  assert.deepEqual(attention(), { bias: "qkv" });
  assert.deepEqual(attention({ attention_out_bias: true }), { bias: "qkvo" });
  assert.equal(attention({ attention_bias: false }), undefined);
});

Deno.test("seedOss refuses a bias of the output alone", () => {
  assert.throws(
    () => attention({ attention_bias: false, attention_out_bias: true }),
    /attention_out_bias true without attention_bias/,
  );
});
