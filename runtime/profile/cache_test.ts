import assert from "node:assert/strict";
import { join } from "node:path";
import { madeUpManifest, madeUpProfile } from "../../tests/support/made_up_model.ts";
import { loadProfiles, ProfileCache } from "./cache.ts";
import type { Profile } from "./profile.ts";

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

Deno.test("ProfileCache.get() finds a profile by its key, and by no other", async () => {
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

Deno.test("ProfileCache.get() tells nodes on one machine apart by the share of a core that they get", async () => {
  await withCache(async (cache) => {
    const slow = { ...profile, cpu_share: 0.45, took_s: 9 };
    await cache.put(profile);
    await cache.put(slow);
    assert.equal((await cache.get(profile.key, 0.97))!.took_s, 1);
    assert.equal((await cache.get(profile.key, 0.4))!.took_s, 9);
    assert.equal(await cache.get(profile.key, 0.1), undefined);
  });
});

Deno.test("ProfileCache.put() replaces the measurement before", async () => {
  await withCache(async (cache) => {
    await cache.put({ ...profile, cpu_share: 0.9 });
    await cache.put({ ...profile, cpu_share: 0.95, took_s: 5 });
    assert.deepEqual((await cache.all()).map((p) => p.took_s), [5]);
  });
});

Deno.test("ProfileCache.markStale() keeps a profile from being used, until it is replaced", async () => {
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

Deno.test("ProfileCache.get() skips a corrupt or foreign file, and loadProfiles() reads the rest", async () => {
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

Deno.test("loadProfiles() is empty, when there is no folder", async () => {
  assert.deepEqual(await loadProfiles(join(Deno.cwd(), "no-such-folder")), []);
});
