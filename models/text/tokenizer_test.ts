import assert from "node:assert/strict";
import { join } from "node:path";
import { skipAbsent } from "../../tests/support/absent.ts";
import { TINY_SPECIALS } from "../../tests/support/tiny_checkpoint.ts";
import { loadIfThere, SHARED_DATA, tinyTokenizer } from "../../tests/support/tokenizers.ts";
import { readJsonFile } from "../files.ts";
import { Tokenizer } from "./tokenizer.ts";

Deno.test("Tokenizer.encode() knows special tokens and decode() leaves them out", async () => {
  const tokenizer = await tinyTokenizer();
  const ids = tokenizer.encode("<|user|>hi<|end|>");
  assert.deepEqual(ids, [2, 104 + 5, 105 + 5, 1]);
  assert.equal(tokenizer.decode(ids), "hi");
  assert.equal(tokenizer.decode(ids, { skipSpecialTokens: false }), "<|user|>hi<|end|>");
  assert.deepEqual([...tokenizer.specialIds], TINY_SPECIALS.map((_, id) => id));
  assert.equal(tokenizer.vocabSize, 261);
  assert.equal(tokenizer.tokenText(ids[1]), "h");
  assert.deepEqual([tokenizer.decode([]), tokenizer.encode(""), tokenizer.decode([99999])], [
    "",
    [],
    "",
  ]);
});

Deno.test("Tokenizer.encode() adds BOS once, as the config says, else as the post-processor does", async (t) => {
  const folder = join(SHARED_DATA, "fetched/tokenizers/Llama-2");
  if (!await loadIfThere(folder)) {
    await skipAbsent(t);
    return;
  }
  const json = await readJsonFile(join(folder, "tokenizer.json")) as Record<string, unknown>;
  const first = (config: Record<string, unknown>, text = "hi", post = json["post_processor"]) =>
    Tokenizer.fromJson({ ...json, post_processor: post }, { bos_token: "<s>", ...config }).encode(
      text,
    ).slice(
      0,
      2,
    );
  const [word] = Tokenizer.fromJson(json).encode("hi", { addSpecialTokens: false });
  assert.deepEqual(first({}), [1, word]);
  assert.deepEqual(first({ add_bos_token: false }), [word]);
  assert.deepEqual(first({ add_bos_token: true }, "hi", null), [1, word]);
  assert.deepEqual(first({}, "hi", null), [word]);
  assert.equal(first({}, "<s>hi")[1] === 1, false);
});

Deno.test("Tokenizer.fromJson() refuses what is no tokenizer", () => {
  for (
    const json of [null, {}, { model: { type: "BPE" } }, { model: { type: "Mystery", vocab: {} } }]
  ) {
    assert.throws(() => Tokenizer.fromJson(json), { code: "tokenizer_malformed" });
  }
});
