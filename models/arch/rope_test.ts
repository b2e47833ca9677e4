import assert from "node:assert/strict";
import { MINIMAL_CONFIG } from "../../tests/support/minimal_config.ts";
import { parseConfig } from "./config.ts";
import { contextOf, ropeOf, rotatedDims } from "./rope.ts";

const config = (fields: Record<string, unknown>) =>
  parseConfig({ ...MINIMAL_CONFIG, ...fields }, "config.json");

Deno.test("ropeOf() is 10000 without scaling where config.json says nothing", () => {
  assert.deepEqual(ropeOf(config({})), { theta: 10000, scaling: null, type: "default" });
});

Deno.test("ropeOf() tells types of layers apart where rope_parameters does", () => {
  const rope_parameters = {
    full_attention: { rope_type: "linear", factor: 2, rope_theta: 1e6 },
    sliding_attention: { rope_type: "default", rope_theta: 5 },
  };
  const stated = config({ rope_parameters });
  assert.deepEqual(ropeOf(stated), {
    theta: 1e6,
    scaling: rope_parameters.full_attention,
    type: "linear",
  });
  assert.deepEqual(ropeOf(stated, "sliding_attention"), {
    theta: 5,
    scaling: null,
    type: "default",
  });
});

Deno.test("rotatedDims() is undefined where the whole head is rotated", () => {
  assert.equal(rotatedDims(config({}), 16), undefined);
  assert.equal(rotatedDims(config({ partial_rotary_factor: 0.25 }), 16), 4);
  assert.equal(rotatedDims(config({ rope_parameters: { partial_rotary_factor: 0.5 } }), 16), 8);
});

Deno.test("contextOf() ends a longrope context at the original length", () => {
  const rope_scaling = { type: "longrope", original_max_position_embeddings: 512 };
  assert.equal(contextOf(config({ rope_scaling })), 512);
  assert.equal(contextOf(config({ rope_scaling: { type: "linear", factor: 2 } })), 2048);
});
