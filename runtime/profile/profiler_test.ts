import assert from "node:assert/strict";
import { join } from "node:path";
import { type Manifest, ModelStore, PRECISIONS } from "../../models/mod.ts";
import { writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import { resolveModel } from "../serve/resolve_model.ts";
import { profileSchema } from "./profile.ts";
import { profileModel, type ProfileProgress } from "./profiler.ts";
import { atPrecision } from "./weights.ts";

async function withStore(run: (store: ModelStore, data: string) => Promise<void>): Promise<void> {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await run(await ModelStore.open(data), data);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

/** A model whose measuring takes little time. */
async function tinyModel(store: ModelStore, data: string): Promise<Manifest> {
  const checkpoint = join(data, "checkpoint");
  await writeTinyCheckpoint(checkpoint, { context: 64 });
  return (await store.add(checkpoint, { name: "tiny", precision: "f32" })).manifest;
}

Deno.test("profileModel() measures the embedded model, more for more rows, and leaves no file behind", async () => {
  await withStore(async (store, data) => {
    const { manifest } = await resolveModel(store, {});
    const seen: ProfileProgress[] = [];
    const profile = await profileModel({
      manifest,
      store,
      data,
      threads: 1,
      quick: true,
      cpuShare: 1,
      onProgress: (p) => seen.push(p),
    });
    assert.deepEqual(profileSchema.parse(JSON.parse(JSON.stringify(profile))), profile);
    const { layer, head, embed } = profile;
    assert.deepEqual(layer.past, [0, 1024]);
    assert.deepEqual([layer.rows[0], embed.rows[0], head.rows[0]], [1, 1, 1]);
    // Of few rows the fastest: another process may have held one of them up.
    const few = Math.min(...layer.seconds.slice(0, 4).map(([seconds]) => seconds));
    assert.ok(layer.seconds.at(-1)![0] > 4 * few, JSON.stringify(layer));
    assert.ok(profile.frame_s > 0 && profile.overhead_bytes > 0);
    assert.equal(profile.synthetic, false);
    assert.deepEqual(seen.at(-1), {
      what: "layer",
      done: seen.at(-1)!.total,
      total: seen.at(-1)!.total,
    });
    assert.deepEqual(
      [...Deno.readDirSync(data)].map((e) => e.name).filter((n) => n === "profiles"),
      [],
    );
  });
});

Deno.test("profileModel() makes up weights at any precision, when the model's own are elsewhere", async (t) => {
  await withStore(async (store, data) => {
    const manifest = await tinyModel(store, data);
    // q4m has matrices in q4 too
    for (const precision of PRECISIONS.filter((p) => p !== "f32" && p !== "q4")) {
      await t.step(precision, async () => {
        const elsewhere = atPrecision(manifest, precision);
        assert.equal(elsewhere.precision, precision);
        const options = { store, data, threads: 1, short: true, cpuShare: 1 };
        const profile = await profileModel({ manifest: elsewhere, ...options });
        assert.equal(profile.synthetic, true);
        assert.equal(profile.key.precision, precision);
        // Of a layer as small as this the difference of two stages may be 0 on a busy machine.
        assert.deepEqual(profile.layer.rows, [1, 4, 64]);
        assert.ok(profile.layer.seconds.flat().every((s) => s >= 0 && s < 10));
        assert.deepEqual([...Deno.readDirSync(`${data}/profiles`)], [], "made-up weights are gone");
      });
    }
  });
});

Deno.test("profileModel() ends and removes its files, when it is called off", async () => {
  await withStore(async (store, data) => {
    const manifest = await tinyModel(store, data);
    const abort = new AbortController();
    const measuring = profileModel({
      manifest: atPrecision(manifest, "q4"),
      store,
      data,
      threads: 1,
      quick: true,
      cpuShare: 1,
      signal: abort.signal,
      onProgress: () => abort.abort(new Error("called off")),
    });
    await assert.rejects(measuring, /called off/);
    assert.deepEqual([...Deno.readDirSync(`${data}/profiles`)], []);
  });
});
