import assert from "node:assert/strict";
import { MINIMAL_CONFIG } from "../../tests/support/minimal_config.ts";
import { ARCHITECTURES, describe } from "./describe.ts";
import { MODEL_TYPES, withClass } from "./model_types.ts";
import { WRAPPERS } from "./text_part.ts";

const typed = (model_type: string, fields: Record<string, unknown> = {}) =>
  describe({ ...MINIMAL_CONFIG, architectures: undefined, model_type, ...fields }, "config.json");

Deno.test("describe() takes the class from model_type where config.json names none", () => {
  assert.equal(typed("llama").geometry.architecture, "LlamaForCausalLM");
  assert.throws(() => typed("mamba"), /architecture mamba is not supported/);
});

Deno.test("withClass() knows a type of every class that is accepted", () => {
  const classes = MODEL_TYPES.map((model_type) =>
    (withClass({ model_type }) as { architectures: string[] }).architectures[0]
  );
  assert.deepEqual(classes.sort(), [...ARCHITECTURES, ...WRAPPERS].sort());
});

Deno.test("describe() ignores a partial rotation where transformers does", () => {
  for (const type of ["llama", "qwen3", "mistral"]) {
    const fields = { partial_rotary_factor: 0.5, num_attention_heads: 32, head_dim: 8 };
    assert.equal(typed(type, fields).geometry.rope.dims, undefined);
  }
});

Deno.test("describe() refuses a base of 0, and two rotations that differ", () => {
  const rope_parameters = { rope_type: "linear", factor: 2, rope_theta: 10000 };
  assert.throws(
    () => typed("llama", { rope_parameters: { ...rope_parameters, rope_theta: 0 } }),
    /rope_theta: 0 is no base of frequencies/,
  );
  assert.throws(
    () => typed("llama", { rope_parameters, rope_scaling: { type: "linear", factor: 4 } }),
    /rope_scaling: says something else than rope_parameters/,
  );
  const { rope } = typed("llama", { rope_parameters, rope_scaling: { type: "linear", factor: 2 } })
    .geometry;
  assert.equal(rope.scaling?.["factor"], 2);
});
