import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../tests/support/store_folder.ts";
import { readStoredTensor } from "../../tests/support/stored_weights.ts";
import { writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import { type Precision, PRECISIONS } from "../manifest.ts";
import { groupsByKey } from "./conversion.ts";
import { openModelSource } from "./model_source.ts";
import { ModelStore } from "./store.ts";
import { StoredWeights } from "./stored_weights.ts";

for (const precision of PRECISIONS) {
  Deno.test(`StoredWeights reads a model in ${precision} as it was stored, also in small pieces`, async () => {
    await inFolder(async (dir) => {
      const store = await ModelStore.open(join(dir, "store"));
      const shape = { layers: 1, hidden: 48, heads: 3, kvHeads: 1, intermediate: 72 };
      await writeTinyCheckpoint(join(dir, "model"), shape);
      const model = await store.add(join(dir, "model"), { precision });
      const groups = groupsByKey(model.manifest);
      const { geometry } = model.manifest;
      const weights = new StoredWeights(groups, geometry, (sha) => join(model.blobsDir, sha));
      for (const [name, group] of Object.entries(groups)) {
        for (const { key, name: tensor, shape } of weights.specsOf(name)) {
          const expected = await readStoredTensor(model, group, key);
          const found: number[] = [];
          const width = shape.length === 1 ? 1 : shape[1];
          const options = { pieceBytes: 5 * 4 * width };
          for await (const { firstRow, values } of weights.read(tensor, shape, options)) {
            assert.equal(firstRow * width, found.length);
            found.push(...values);
          }
          assert.deepEqual(found, [...expected], tensor);
        }
      }
    });
  });
}

Deno.test("ModelParts gives the groups of a source and of a stored model, and leaves nothing", async () => {
  await inFolder(async (dir) => {
    const store = await ModelStore.open(join(dir, "store"));
    await writeTinyCheckpoint(join(dir, "model"));
    const added: Record<string, string[]> = {};
    for (const precision of ["q8", "f32"] as Precision[]) {
      const { manifest } = await store.add(join(dir, "model"), { name: precision, precision });
      added[precision] = manifest.layers.map(({ sha256 }) => sha256);
    }
    {
      await using source = await openModelSource(join(dir, "model"));
      await using parts = await store.parts(source);
      await using stored = await store.parts(await store.get("f32"));
      await using eight = await store.parts(await store.get("q8"));
      assert.deepEqual([parts.held, stored.held, eight.held], ["f32", "f32", "q8"]);
      assert.deepEqual(parts.keys, stored.keys);
      for (const from of [parts, stored]) {
        assert.equal((await from.part("layer 1", "q8")).sha256, added.q8[1]);
        const group = await from.part("layer 2", "f32");
        assert.equal(group.sha256, added.f32[2]);
        const model = from.model({ "layer 2": group, head: group }, 16);
        assert.deepEqual([model.layers[2], model.head, model.geometry.context], [group, group, 16]);
        await from.drop(group);
        await assert.rejects(Deno.stat(join(from.blobDir, group.sha256)), Deno.errors.NotFound);
      }
      const group = await eight.part("layer 0", "stored");
      assert.equal(group.sha256, added.q8[0]);
      assert.ok(await Deno.stat(join(eight.blobDir, group.sha256)));
      assert.deepEqual(parts.texts.tokenizer.encode("ab"), stored.texts.tokenizer.encode("ab"));
      assert.equal(parts.texts.bos, stored.texts.bos);
    }
    assert.deepEqual(await Array.fromAsync(Deno.readDir(join(store.dir, "tmp"))), []);
    assert.deepEqual(await store.verify("q8"), []);
  });
});
