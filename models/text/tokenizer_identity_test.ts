import assert from "node:assert/strict";
import { join } from "node:path";
import { readTokenizerIdentity, tokenizerDifference } from "./tokenizer_identity.ts";

const EMBEDDED = join(import.meta.dirname!, "..", "embedded");

async function identity(tokenizer: unknown) {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await Deno.writeTextFile(join(dir, "tokenizer.json"), JSON.stringify(tokenizer));
    return await readTokenizerIdentity(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const VOCAB = Object.fromEntries(Array.from({ length: 300 }, (_, id) => [`t${id}`, id]));
const MERGES = [["t", "1"], ["t", "2"]];
const bpe = (vocab: Record<string, number>, merges: unknown, added: unknown[] = []) =>
  identity({ model: { type: "BPE", vocab, merges }, added_tokens: added });

Deno.test("tokenizerDifference() finds none between the tokenizers of the embedded pair", async () => {
  const [target, draft] = await Promise.all(
    ["target", "draft"].map((part) => readTokenizerIdentity(join(EMBEDDED, part))),
  );
  assert.equal(target.count, 4096);
  assert.equal(tokenizerDifference(target, draft, 4096), undefined);
});

Deno.test("tokenizerDifference() looks at tokens by id and at merges, however they are written", async () => {
  const target = await bpe(VOCAB, MERGES);
  assert.equal(tokenizerDifference(target, await bpe(VOCAB, ["t 1", "t 2"]), 300), undefined);
  assert.match(tokenizerDifference(target, await bpe(VOCAB, ["t 2", "t 1"]), 300)!, /merges/);
  const listed = await identity({
    model: { vocab: Object.keys(VOCAB).map((token) => [token, -1]) },
  });
  assert.equal(tokenizerDifference(target, listed, 300), undefined, "one without merges");
  const other = await bpe({ ...VOCAB, t7: 8, t8: 7 }, MERGES);
  assert.equal(
    tokenizerDifference(target, other, 300),
    'token 7 is "t7" in one and "t8" in the other',
  );
});

Deno.test("tokenizerDifference() lets a draft model lack few tokens, and none that it has no embedding of", async () => {
  const draft = await bpe(VOCAB, MERGES);
  const added = (count: number) =>
    bpe(
      VOCAB,
      MERGES,
      Array.from({ length: count }, (_, i) => ({ id: 300 + i, content: `<${i}>` })),
    );
  assert.equal(tokenizerDifference(await added(2), draft, 320), undefined);
  assert.match(tokenizerDifference(await added(2), draft, 301)!, /301 tokens, and token 301/);
  assert.match(tokenizerDifference(await added(9), draft, 320)!, /lacks 9 of 309 tokens/);
  assert.equal(tokenizerDifference(draft, await added(9), 320), undefined, "it may have more");
});

Deno.test("readTokenizerIdentity() refuses what is no tokenizer", async () => {
  await assert.rejects(identity({ model: { vocab: 7 } }), {
    code: "tokenizer_malformed",
    message: /tokenizer\.json cannot be used: model\.vocab/,
  });
});
