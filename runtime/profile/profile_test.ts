import assert from "node:assert/strict";
import { madeUpManifest, madeUpProfile } from "../../tests/support/made_up_model.ts";
import { deviceOf, geometryHash, profileSchema, timeTableSchema } from "./profile.ts";

const manifest = madeUpManifest();

Deno.test("geometryHash() depends on shapes and formats, not on names, weights or the order of fields", () => {
  const hash = geometryHash(manifest);
  const renamed = {
    ...manifest,
    name: "b",
    source: "c",
    layers: manifest.layers.map((l) => ({ ...l, sha256: "0" })),
  };
  assert.equal(geometryHash(renamed), hash);
  const { hidden, ...rest } = manifest.geometry;
  assert.equal(geometryHash({ ...manifest, geometry: { ...rest, hidden } }), hash);
  assert.notEqual(geometryHash({ ...manifest, geometry: { ...rest, hidden: 1024 } }), hash);
  const hashes = [{}, { format: "q8" as const }, { block: 64 as const }].map((change) => {
    const up = { ...manifest.layers[0].tensors["mlp.up"], ...change };
    const layers = [{ ...manifest.layers[0], tensors: { "mlp.up": up } }];
    return geometryHash({ ...manifest, layers });
  });
  assert.equal(new Set(hashes).size, 3);
});

Deno.test("timeTableSchema refuses axes that do not ascend and seconds of another shape", () => {
  const table = { rows: [1, 4], past: [0, 8], seconds: [[1, 2], [3, 4]] };
  assert.deepEqual(timeTableSchema.parse(table), table);
  const bad = [
    { rows: [4, 1] },
    { past: [0, 0] },
    { rows: [1] },
    { seconds: [[1, 2], [3]] },
    { seconds: [[1, 2], [3, -4]] },
  ];
  for (const part of bad) {
    const { success } = timeTableSchema.safeParse({ ...table, ...part });
    assert.equal(success, false, JSON.stringify(part));
  }
});

Deno.test("profileSchema refuses a profile of another version", () => {
  const profile = madeUpProfile(manifest, 2);
  assert.deepEqual(profileSchema.parse(profile), profile);
  const older = { ...profile, version: profile.version - 1 };
  assert.equal(profileSchema.safeParse(older).success, false);
});

Deno.test("deviceOf() carries the profile's times over to the planner", () => {
  const profile = madeUpProfile(manifest, 2);
  assert.deepEqual(deviceOf(profile, { name: "a", memoryBytes: 7 }), {
    name: "a",
    memoryBytes: 7,
    overheadBytes: profile.overhead_bytes,
    layer: profile.layer,
    embed: profile.embed,
    head: profile.head,
    frameSeconds: profile.frame_s,
    trusted: true,
  });
});
