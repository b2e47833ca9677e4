import assert from "node:assert/strict";
import { MINIMAL_CONFIG } from "../tests/support/minimal_config.ts";
import { describe } from "./arch/mod.ts";
import { endFormatFor, formatFor, geometrySchema } from "./manifest.ts";

Deno.test("geometrySchema refuses a field that this version does not know, and says what to do", () => {
  const { geometry } = describe(MINIMAL_CONFIG, "config.json");
  assert.deepEqual(geometrySchema.parse(geometry), geometry);
  for (
    const strange of [{ ...geometry, spirals: 8 }, {
      ...geometry,
      rope: { ...geometry.rope, spin: 2 },
    }]
  ) {
    const { error } = geometrySchema.safeParse(strange);
    assert.match(error!.issues[0].message, /does not know (spirals|spin); update this node/);
  }
});

Deno.test("formatFor() has keys, values and what writes into the residual stream of q4m in q8", () => {
  const wide = [64, 64];
  const formats = (keys: string[]) => new Set(keys.map((key) => formatFor(key, wide, "q4m")));
  const raised = ["attn.k", "attn.v", "attn.o", "mlp.down", "mlp.experts.down", "mlp.shared.down"];
  assert.deepEqual(formats([...raised, "conv.out", "state.out"]), new Set(["q8"]));
  const others = ["attn.q", "mlp.gate", "mlp.up", "mlp.experts.gate", "mlp.shared.up", "conv.in"];
  assert.deepEqual(formats(others), new Set(["q4"]));
  assert.deepEqual([formatFor("mlp.down", wide, "q4"), endFormatFor("q4m")], ["q4", "q8"]);
});

Deno.test("formatFor() has keys and values of q4 in q8 where several heads share them", () => {
  const formats = (rows: number) =>
    ["attn.k", "attn.v", "attn.q"].map((key) => formatFor(key, [rows, 64], "q4"));
  assert.deepEqual(formats(32), ["q8", "q8", "q4"]);
  assert.deepEqual(formats(48), ["q4", "q4", "q4"]);
});
