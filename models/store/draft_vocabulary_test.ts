import assert from "node:assert/strict";
import { join } from "node:path";
import { writeOtherVocabulary } from "../../tests/support/other_vocabulary.ts";
import { inFolder } from "../../tests/support/store_folder.ts";
import { joinVocabularies, ModelStore, type StoredModel, vocabularyDifference } from "../mod.ts";

const DRAFT = join(import.meta.dirname!, "..", "embedded", "draft");

/** A model with another tokenizer than the embedded draft model, and that one. */
async function pair(dir: string, merges: number): Promise<[StoredModel, StoredModel]> {
  const store = await ModelStore.open(join(dir, "store"));
  const folder = join(dir, "other");
  await writeOtherVocabulary(folder, { merges });
  return [
    await store.add(folder, { name: "other", precision: "f32" }),
    await store.add(DRAFT, { name: "small", precision: "f32" }),
  ];
}

Deno.test("joinVocabularies() reads the files of a pair of tokenizers once, and keeps the bridge", async () => {
  await inFolder(async (dir) => {
    const [target, draft] = await pair(dir, 0.75);
    const differs = await vocabularyDifference(target, draft);
    assert.ok(differs?.ratio! > 0.5 && differs?.ratio! < 1, `${differs?.ratio}`);
    const first = await joinVocabularies(target, draft);
    await Deno.remove(join(target.dir, "tokenizer.json"));
    assert.equal(await vocabularyDifference(target, draft), differs);
    const again = await joinVocabularies(target, draft);
    assert.equal(again!.bridge, first!.bridge);
    assert.equal(again!.difference, differs!.difference);
  });
});

Deno.test("vocabularyDifference() tries again after a file could not be read", async () => {
  await inFolder(async (dir) => {
    const [target, draft] = await pair(dir, 0.7);
    const file = join(target.dir, "tokenizer.json");
    await Deno.rename(file, `${file}.away`);
    await assert.rejects(vocabularyDifference(target, draft));
    await Deno.rename(`${file}.away`, file);
    assert.match((await vocabularyDifference(target, draft))!.difference, /./);
  });
});
