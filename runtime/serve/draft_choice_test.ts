import assert from "node:assert/strict";
import { join } from "node:path";
import { parseGraph } from "../../actors/mod.ts";
import { ModelStore } from "../../models/mod.ts";
import { writeOtherVocabulary } from "../../tests/support/other_vocabulary.ts";
import { expectedGain } from "./draft_choice.ts";
import { resolveGraph } from "./resolve_graph.ts";

const EMBEDDED = join(import.meta.dirname!, "..", "..", "models", "embedded");

Deno.test("expectedGain() takes the best length, and is 1 where drafts never pay", () => {
  assert.equal(expectedGain(0.7, 5), 1);
  assert.equal(expectedGain(0, 0), 1);
  // Two tokens: 1 + 0.8 + 0.64 tokens in the time of 1 + 2 * 0.25 rows.
  assert.ok(expectedGain(0.8, 0.05) >= 2.44 / 1.5);
  assert.ok(expectedGain(0.8, 0.05) > expectedGain(0.8, 0.05, 0.1));
});

/** A store with the embedded target, its draft model, and another one. */
async function withStore(
  run: (store: ModelStore, choose: (draft?: string) => Promise<Chosen>) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const store = await ModelStore.open(join(dir, "store"));
    await store.add(join(EMBEDDED, "target"), { name: "large", precision: "f32" });
    await store.add(join(EMBEDDED, "target"), { name: "as-large", precision: "f16" });
    const folder = join(dir, "other");
    await writeOtherVocabulary(folder, { reversed: true });
    await store.add(folder, { name: "other", precision: "f32" });
    await run(store, async (draft) => {
      const said: string[] = [];
      const found = await resolveGraph(store, {
        model: "large",
        draft,
        onDraft: (why) => said.push(why),
      });
      const { manifest, found: unasked, acceptance } = found.draft ?? {};
      return {
        name: manifest?.name,
        unasked,
        acceptance,
        said,
        drafter: found.graph.actors.drafter,
      };
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

interface Chosen {
  name?: string;
  unasked?: boolean;
  acceptance?: number;
  said: string[];
  drafter: unknown;
}

Deno.test("resolveGraph() finds the smaller model with an equal tokenizer, before one that is bridged", async () => {
  await withStore(async (store, choose) => {
    const bridged = await choose("auto");
    assert.equal(bridged.name, "other");
    assert.match(bridged.said[0], /^other: another tokenizer \(token 5 is .*bridged through text/);
    assert.match(bridged.said[0], /as-large: a token of it reads \d+ % .*which gains nothing/);
    await store.add(join(EMBEDDED, "draft"), { name: "small", precision: "f32" });
    for (const draft of ["auto", undefined]) {
      const { name, unasked, acceptance, said, drafter } = await choose(draft);
      assert.deepEqual([name, unasked, drafter], ["small", true, "auto"]);
      assert.ok(acceptance! > 0.5 && acceptance! <= 0.8);
      assert.match(said[0], /^small: an equal tokenizer; a token of it reads 1\d % .* times plain/);
    }
    const stated = await resolveGraph(store, {
      graph: parseGraph("{ model: large, actors: { drafter: auto } }", { file: "test" }),
    });
    assert.equal(stated.draft?.manifest.name, "small", "as applied graphs are resolved");
    const none = await choose("ngram");
    assert.deepEqual([none.name, none.said], [undefined, []]);
    assert.equal((await choose("small")).unasked, undefined, "it was asked for");
  });
});

Deno.test("resolveGraph() gives nobody the embedded draft model for another family who has not named it", async () => {
  await withStore(async (store, choose) => {
    await store.remove("other");
    const folder = await Deno.makeTempDir({ prefix: "orrery-test-" });
    try {
      await writeOtherVocabulary(folder, { reversed: true });
      await store.add(folder, { name: "embedded-draft", precision: "f32" });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    const found = await choose("auto");
    assert.equal(found.name, undefined);
    assert.match(found.said[0], /embedded-draft: another tokenizer, and it has learnt few topics/);
    assert.equal((await choose("embedded-draft")).name, "embedded-draft");
    await store.remove("embedded-draft");
    await store.add(join(EMBEDDED, "draft"), { name: "embedded-draft", precision: "f32" });
    assert.equal((await choose("auto")).name, "embedded-draft", "its tokenizer is the model's");
  });
});

Deno.test("resolveGraph() says why no model of the store drafts, and leaves out those without weights", async () => {
  await withStore(async (store, choose) => {
    const { manifest } = await store.get("other");
    await store.remove("other");
    const none = await choose("auto");
    assert.equal(none.name, undefined);
    assert.match(none.said[0], /^no draft model: none of 1 in the store pays \(as-large: .*\)$/);
    assert.deepEqual((await choose()).said, [], "nobody asked");
    await store.writeManifest(manifest);
    assert.equal((await choose("auto")).name, undefined, "its weights are elsewhere");
    await store.remove("as-large");
    await store.remove("other");
    assert.match((await choose("auto")).said[0], /large is the only model in the store$/);
  });
});

Deno.test("resolveGraph() refuses a named draft model with another tokenizer that cannot pay", async () => {
  await withStore(async (store, choose) => {
    assert.match((await choose("other")).said[0], /^other: another tokenizer/);
    const graph = parseGraph("{ model: other, actors: { drafter: { model: large } } }", {
      file: "test",
    });
    await assert.rejects(resolveGraph(store, { graph }), {
      code: "draft_gains_nothing",
      message:
        /large is no draft model for other: .*gains nothing; say --draft auto, ngram or none/,
    });
  });
});
