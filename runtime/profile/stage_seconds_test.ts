import assert from "node:assert/strict";
import { madeUpManifest, madeUpProfile } from "../../tests/support/made_up_model.ts";
import { stageSeconds } from "./stage_seconds.ts";

Deno.test("stageSeconds() adds the layers, the embedding at the first stage and the head at the last", () => {
  const table = (value: number) => ({ rows: [1, 8], past: [0], seconds: [[value], [value]] });
  const manifest = madeUpManifest();
  const last = manifest.geometry.layers - 1;
  const profile = {
    ...madeUpProfile(manifest, 2),
    layer: table(1),
    embed: table(100),
    head: table(1000),
  };
  const seconds = (range: { first: number; last: number }) =>
    stageSeconds(profile, manifest, range, { rows: 4, past: 0, wanted: 1 });
  assert.equal(seconds({ first: 0, last: 0 }), 101);
  assert.equal(seconds({ first: 1, last: last - 1 }), last - 1);
  assert.equal(seconds({ first: last, last }), 1001);
  assert.equal(seconds({ first: 0, last }), last + 1 + 1100);
});
