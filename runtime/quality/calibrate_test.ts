import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  buildStageGraph,
  builtInPassages,
  type Manifest,
  type ModelParts,
  ModelStore,
  openModelSource,
} from "../../models/mod.ts";
import { hasCode } from "../../actors/mod.ts";
import { StageChain } from "../../tests/oracle/stages.ts";
import { inFolder } from "../../tests/support/store_folder.ts";
import { writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import "../../tests/support/open_library.ts";
import { calibrate as calibrateOver, type CalibrateOptions } from "./calibrate.ts";
import { measureQuality } from "./measure.ts";

const options = { sanitizeOps: false, sanitizeResources: false };
const EMBEDDED = fileURLToPath(new URL("../../models/embedded/target", import.meta.url));

/** Calibrates with the beginning of the built-in text. */
const calibrate = async (parts: ModelParts, options: CalibrateOptions = {}) => {
  const passages = (await builtInPassages("calibration")).slice(0, 5);
  return await calibrateOver(parts, { ...options, passages });
};

const layersOf = ({ layers }: Manifest) => layers.map(({ sha256 }) => sha256);

Deno.test(
  "measureQuality() finds calibrated q4 much nearer to a trained model than q4",
  options,
  async () => {
    await inFolder(async (dir) => {
      const store = await ModelStore.open(dir);
      await using source = await openModelSource(EMBEDDED);
      await using parts = await store.parts(source);
      const passages = (await builtInPassages("evaluation")).slice(0, 2);
      const steps: number[] = [];
      const report = await measureQuality(parts, {
        calibrate: async () => await calibrate(await store.parts(source)),
        passages,
        onProgress: (done, total) => steps.push(done / total),
      });
      const row = (name: string) => report.rows.find((one) => one.name === name)!;
      assert.deepEqual(report.rows.map(({ name }) => name), [
        ...["f16", "q8", "q4m", "q4", "q4m calibrated", "q4 calibrated"],
        ...["f32, int8 KV", "q4 calibrated, int8 KV"],
      ]);
      const [q8, q4, calibrated] = [row("q8"), row("q4"), row("q4 calibrated")];
      assert.ok(calibrated.kl < 0.85 * q4.kl, `${calibrated.kl} beside ${q4.kl}`);
      for (const [mixed, all] of [["q4m", q4], ["q4m calibrated", calibrated]] as const) {
        assert.ok(row(mixed).kl < 0.65 * all.kl, `${row(mixed).kl} beside ${all.kl}`);
        assert.ok(row(mixed).bytes > q4.bytes && row(mixed).bytes < q8.bytes);
      }
      assert.ok(calibrated.same_top > q4.same_top);
      assert.ok(row("f16").kl < 1e-4 && q8.kl < 0.1 * q4.kl);
      assert.ok(row("f32, int8 KV").kl < q8.kl);
      assert.ok(q4.kl_p99 > q4.kl);
      assert.equal(calibrated.bytes, q4.bytes);
      assert.equal(report.tokens > 100, true);
      assert.deepEqual([steps[0] > 0, steps.at(-1)], [true, 1]);
    });
  },
);

Deno.test(
  "ModelStore.add() calibrates, and goes on where it was interrupted with the same weights",
  options,
  async () => {
    await inFolder(async (dir) => {
      const model = join(dir, "model");
      await writeTinyCheckpoint(model, { dtype: "bf16", context: 96 });
      const whole = await ModelStore.open(join(dir, "whole"));
      const plain = (await whole.add(model, { name: "plain" })).manifest;
      const { manifest } = await whole.add(model, { name: "tiny", calibrate });
      assert.deepEqual([plain.calibrated, manifest.calibrated], [undefined, true]);
      assert.notEqual(manifest.source, plain.source);
      assert.equal(manifest.embedding.sha256, plain.embedding.sha256);
      assert.equal(layersOf(manifest).some((sha) => layersOf(plain).includes(sha)), false);
      assert.deepEqual(await whole.verify("tiny"), []);

      const other = await ModelStore.open(join(dir, "other"));
      const abort = new AbortController();
      const onProgress = ({ group }: { group: string }) => group === "layer 1" && abort.abort();
      await assert.rejects(other.add(model, { calibrate, onProgress, signal: abort.signal }), {
        name: "AbortError",
      });
      const resumed = (await other.add(model, { name: "tiny", calibrate })).manifest;
      assert.deepEqual(resumed, manifest);
      for (const store of [whole, other]) {
        assert.deepEqual(await Array.fromAsync(Deno.readDir(join(store.dir, "tmp"))), []);
      }
      // A precision that is not calibrated is stored as ever.
      const eight = await whole.add(model, { name: "q8", precision: "q8", calibrate });
      assert.equal(eight.manifest.calibrated, undefined);
    });
  },
);

Deno.test(
  "calibrated weights give the same logits on one stage and on several",
  options,
  async () => {
    await inFolder(async (dir) => {
      const store = await ModelStore.open(join(dir, "store"));
      await writeTinyCheckpoint(join(dir, "model"));
      const { manifest, blobsDir: blobDir } = await store.add(join(dir, "model"), { calibrate });
      const rows = Array.from({ length: 24 }, (_, i) => ({
        token: i * 7 % 250 + 5,
        position: i,
        parent: i - 1,
      }));
      const run = async (ranges: [number, number][]) => {
        await using chain = await StageChain.open(manifest, ranges, { blobDir, capacity: 32 });
        return (await chain.run(rows, [...rows.keys()])).logits;
      };
      const local = await run([[0, 3]]);
      for (const ranges of [[[0, 0], [1, 3]], [[0, 1], [2, 3]], [[0, 0], [1, 1], [2, 2], [3, 3]]]) {
        assert.deepEqual(await run(ranges as [number, number][]), local, JSON.stringify(ranges));
      }
    });
  },
);

Deno.test(
  "measureQuality() takes models of the store and other files beside, and refuses another model",
  options,
  async () => {
    await inFolder(async (dir) => {
      const store = await ModelStore.open(join(dir, "store"));
      const [one, two] = [join(dir, "one"), join(dir, "two")];
      await writeTinyCheckpoint(one);
      await writeTinyCheckpoint(two, { layers: 2 });
      const passages = [{ text: "A short text, over which nothing much can be said." }];
      for (const precision of ["q4", "q8", "f32"] as const) {
        await store.add(one, { name: precision, precision });
      }
      const measure = async (name: string, beside?: string) => {
        const model = await store.get(name);
        await using parts = await store.parts(model);
        await using source = await openModelSource(beside ?? one);
        await using other = await store.parts(source);
        return await measureQuality(parts, {
          calibrate: async () => await calibrate(await store.parts(model)),
          passages,
          ...(beside && { beside: new Map([["other", other]]) }),
        });
      };
      const names = async (name: string) => (await measure(name)).rows.map((row) => row.name);
      assert.deepEqual(await names("q4"), ["q4 as stored", "q4 as stored, int8 KV"]);
      assert.deepEqual(await names("q8"), [
        ...["q8 as stored", "q4m", "q4", "q4m calibrated", "q4 calibrated"],
        "q4 calibrated, int8 KV",
      ]);
      const { rows } = await measure("f32", one);
      assert.deepEqual(rows.map(({ name }) => name).slice(-5), [
        ...["q4m, exact", "q4, exact", "q4m calibrated, exact", "q4 calibrated, exact", "other"],
      ]);
      const same = rows.at(-1)!;
      assert.deepEqual([same.kl < 1e-9, same.same_top, same.bytes], [true, 1, 0]);
      await assert.rejects(
        measure("f32", two),
        (error) =>
          hasCode(error, "not_the_same_model") && /2 layers.*not 4 layers/.test(`${error}`),
      );
      await using parts = await store.parts(await store.get("q4"));
      await assert.rejects(
        measureQuality(parts, { calibrate: () => Promise.reject(), passages: [] }),
        (error) => hasCode(error, "text_too_short"),
      );
      const stage = { firstLayer: 0, lastLayer: 3, blobDir: store.blobs.dir };
      assert.ok(await buildStageGraph((await store.get("q4")).manifest, stage));
    });
  },
);
