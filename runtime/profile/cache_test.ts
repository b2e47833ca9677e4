import assert from "node:assert/strict";
import { join } from "node:path";
import { madeUpManifest, madeUpProfile } from "../../tests/support/made_up_model.ts";
import { loadProfiles, ProfileCache } from "./cache.ts";
import { geometryHash, type Profile } from "./profile.ts";

const manifest = madeUpManifest();
const profile = madeUpProfile(manifest, 2);

async function withCache(run: (cache: ProfileCache, data: string) => Promise<void>): Promise<void> {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await run(new ProfileCache(data), data);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

Deno.test("A profile is found again by its key, and by no other", async () => {
  await withCache(async (cache) => {
    assert.equal(await cache.get(profile.key, 1), undefined);
    assert.equal(await cache.has(profile.key), false);
    await cache.put(profile);
    assert.deepEqual(await cache.get(profile.key, 1), profile);
    assert.equal(await cache.has(profile.key), true);
    const { machine } = profile.key;
    const others: Profile["key"][] = [
      { ...profile.key, threads: 2 },
      { ...profile.key, spinning: true },
      { ...profile.key, precision: "q8" },
      { ...profile.key, geometry: "0".repeat(64) },
      { ...profile.key, machine: { ...machine, hostname: "another" } },
      { ...profile.key, machine: { ...machine, cpu: "another" } },
      { ...profile.key, machine: { ...machine, cores: 8 } },
      { ...profile.key, machine: { ...machine, memory_bytes: 1 } },
    ];
    for (const key of others) assert.equal(await cache.get(key, 1), undefined, JSON.stringify(key));
  });
});

Deno.test("Devices that share a machine are told apart by the share of a core that they get", async () => {
  await withCache(async (cache) => {
    const slow = { ...profile, cpu_share: 0.45, took_s: 9 };
    await cache.put(profile);
    await cache.put(slow);
    assert.equal((await cache.get(profile.key, 0.97))!.took_s, 1);
    assert.equal((await cache.get(profile.key, 0.4))!.took_s, 9);
    assert.equal(await cache.get(profile.key, 0.1), undefined);
  });
});

Deno.test("A new measurement takes the place of the one before", async () => {
  await withCache(async (cache) => {
    await cache.put({ ...profile, cpu_share: 0.9 });
    await cache.put({ ...profile, cpu_share: 0.95, took_s: 5 });
    assert.deepEqual((await cache.all()).map((p) => p.took_s), [5]);
  });
});

Deno.test("A stale profile is not used any more, though it is kept until it is replaced", async () => {
  await withCache(async (cache, data) => {
    await cache.put(profile);
    await cache.markStale(profile, "frames take 30 % more");
    assert.equal(await cache.get(profile.key, 1), undefined);
    assert.equal(await cache.has(profile.key), false);
    assert.deepEqual(await loadProfiles(data), []);
    assert.deepEqual((await cache.all()).map((p) => p.stale), ["frames take 30 % more"]);
    await cache.put({ ...profile, took_s: 2 });
    assert.deepEqual((await loadProfiles(data)).map((p) => p.took_s), [2]);
  });
});

Deno.test("A corrupt or foreign file is left aside, and the rest is read", async () => {
  await withCache(async (cache, data) => {
    await cache.put(profile);
    const [{ name }] = [...Deno.readDirSync(cache.dir)];
    for (
      const text of [
        "{ half of a",
        "{}",
        JSON.stringify({ ...profile, layer: { ...profile.layer, seconds: [[1]] } }),
        JSON.stringify({ ...profile, frame_s: -1 }),
      ]
    ) {
      await Deno.writeTextFile(join(cache.dir, name), text);
      assert.equal(await cache.get(profile.key, 1), undefined, text);
    }
    await cache.put({ ...profile, cpu_share: 0.4 });
    assert.equal((await loadProfiles(data)).length, 1);
  });
});

Deno.test("A folder without profiles has none", async () => {
  assert.deepEqual(await loadProfiles(join(Deno.cwd(), "no-such-folder")), []);
});

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
  const up = { ...manifest.layers[0].tensors["mlp.up"], format: "q8" as const };
  const layers = [{ ...manifest.layers[0], tensors: { "mlp.up": up } }];
  assert.notEqual(geometryHash({ ...manifest, layers }), hash);
});
