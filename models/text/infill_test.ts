import assert from "node:assert/strict";
import { join } from "node:path";
import { skipAbsent } from "../../tests/support/absent.ts";
import { writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import { loadIfThere, SHARED_DATA, tinyTokenizer } from "../../tests/support/tokenizers.ts";
import { readJsonFile } from "../files.ts";
import { infillEnds, infillTokens } from "./infill.ts";
import { Tokenizer } from "./tokenizer.ts";

/** The tiny tokenizer with more tokens, whose ids begin at 300. */
async function withTokens(texts: string[]): Promise<Tokenizer> {
  const dir = await Deno.makeTempDir();
  try {
    await writeTinyCheckpoint(dir, { layers: 1 });
    const json = await readJsonFile(join(dir, "tokenizer.json")) as { added_tokens: object[] };
    const added = texts.map((content, i) => ({
      id: 300 + i,
      content,
      special: i % 2 === 0, // some families do not call them special
      ...{ single_word: false, lstrip: false, rstrip: false, normalized: false },
    }));
    return Tokenizer.fromJson({ ...json, added_tokens: [...json.added_tokens, ...added] });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const bytes = (text: string) => [...new TextEncoder().encode(text)].map((byte) => byte + 5);

Deno.test("infillTokens() is undefined for a tokenizer without infill tokens", async () => {
  const tokenizer = await tinyTokenizer();
  assert.equal(infillTokens(tokenizer, "a", "b"), undefined);
  assert.deepEqual(infillEnds(tokenizer), []);
});

Deno.test("infillTokens() writes both texts in the order of the tokenizer's family", async () => {
  const qwen = await withTokens(["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]);
  assert.deepEqual(infillTokens(qwen, "ab", "c"), [300, ...bytes("ab"), 302, ...bytes("c"), 301]);
  assert.deepEqual(infillTokens(qwen, "", ""), [300, 302, 301]);
  const codestral = await withTokens(["[PREFIX]", "[SUFFIX]", "<|endoftext|>"]);
  assert.deepEqual(infillTokens(codestral, "ab", "c"), [301, ...bytes("c"), 300, ...bytes("ab")]);
  assert.deepEqual(infillEnds(codestral), [302]);
});

Deno.test("infillTokens() reads no token in the two texts", async () => {
  const tokenizer = await withTokens(["<fim_prefix>", "<fim_suffix>", "<fim_middle>"]);
  const ids = infillTokens(tokenizer, "<fim_middle>", "<fim_suffix>x")!;
  assert.deepEqual(ids.filter((id) => id >= 300), [300, 301, 302]);
});

Deno.test("infillTokens() writes code between the tokens of Qwen2.5", async (t) => {
  const tokenizer = await loadIfThere(join(SHARED_DATA, "fetched/tokenizers/Qwen2.5"));
  if (!tokenizer) {
    await skipAbsent(t);
    return;
  }
  const plain = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  const [prefix, suffix] = ["def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n"];
  assert.deepEqual(infillTokens(tokenizer, prefix, suffix), [
    ...[151659, ...plain(prefix)],
    ...[151661, ...plain(suffix), 151660],
  ]);
});
