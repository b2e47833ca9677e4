import assert from "node:assert/strict";
import { MINIMAL_CONFIG } from "../tests/support/minimal_config.ts";
import { describe } from "./arch/mod.ts";
import { geometrySchema } from "./manifest.ts";

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
