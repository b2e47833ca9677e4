import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { skipAbsent } from "../../tests/support/absent.ts";
import { SHARED_DATA } from "../../tests/support/tokenizers.ts";
import { hasCode } from "../../actors/system/errors.ts";
import { frequentTokens } from "./frequent_tokens.ts";

async function inFolder(json: unknown, run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "tokenizer.json"), JSON.stringify(json));
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A vocabulary of words, some of which are characters. */
const vocabularyOf = (words: number, characters: number[]) =>
  Object.fromEntries(
    Array.from({ length: words }, (_, i) => [
      characters.includes(i) ? String.fromCodePoint(0x4e00 + i) : `w${i}`,
      i,
    ]),
  );

Deno.test("frequentTokens() takes low ids, and characters and added tokens wherever they stand", async () => {
  const json = {
    model: { vocab: vocabularyOf(100, [0, 1, 60, 61, 62]) },
    added_tokens: [{ id: 100 }, { id: 101 }],
  };
  await inFolder(json, async (folder) => {
    // 120 rows: an embedding may have more than the tokenizer knows
    assert.deepEqual(await frequentTokens(folder, { count: 20, vocab: 120 }), [
      { first: 0, rows: 15 },
      { first: 60, rows: 3 },
      { first: 100, rows: 2 },
    ]);
    // at most half of them are characters
    assert.deepEqual(await frequentTokens(folder, { count: 8, vocab: 120 }), [
      { first: 0, rows: 6 },
      { first: 60, rows: 2 },
    ]);
    assert.deepEqual(await frequentTokens(folder, { count: 120, vocab: 120 }), [
      { first: 0, rows: 120 },
    ]);
  });
});

Deno.test("frequentTokens() gives at most 16 ranges, ascending and apart, with all that it keeps", async () => {
  const ids = fc.uniqueArray(fc.nat(399), { maxLength: 120 });
  await fc.assert(
    fc.asyncProperty(ids, fc.integer({ min: 1, max: 420 }), async (characters, count) => {
      await inFolder({ model: { vocab: vocabularyOf(400, characters) } }, async (folder) => {
        const ranges = await frequentTokens(folder, { count, vocab: 400 });
        assert.ok(ranges.length <= 16);
        let end = -1;
        for (const { first, rows } of ranges) {
          assert.ok(first > end && rows > 0, JSON.stringify(ranges));
          end = first + rows;
        }
        assert.ok(end <= 400);
        assert.ok(ranges.reduce((sum, { rows }) => sum + rows, 0) >= Math.min(count, 400));
        const half = characters.sort((a, b) => a - b).slice(0, count >> 1);
        for (const id of half) {
          assert.ok(ranges.some(({ first, rows }) => id >= first && id < first + rows));
        }
      });
    }),
    { numRuns: 40 },
  );
});

Deno.test("frequentTokens() names the file and the field that it cannot use", async () => {
  await inFolder({ model: { vocab: { a: -1 } } }, async (folder) => {
    await assert.rejects(
      frequentTokens(folder, { count: 1, vocab: 2 }),
      (error) =>
        hasCode(error, "tokenizer_malformed") && /tokenizer.json.*model.vocab/.test(error.message),
    );
  });
});

Deno.test("frequentTokens() keeps the tokens that end answers and full stops, in real vocabularies", async (t) => {
  for (
    const { name, vocab, needed } of [
      { name: "Qwen2.5", vocab: 151936, needed: [13, 151645] }, // ".", <|im_end|>
      { name: "Llama-2", vocab: 32000, needed: [2, 29889, 29892] }, // </s>, ".", ","
    ]
  ) {
    const folder = join(SHARED_DATA, "fetched/tokenizers", name);
    if (!await Deno.stat(folder).then(() => true, () => false)) return void await skipAbsent(t);
    const ranges = await frequentTokens(folder, { count: vocab / 4, vocab });
    assert.ok(ranges.length <= 3, JSON.stringify(ranges));
    assert.equal(ranges.reduce((sum, { rows }) => sum + rows, 0), vocab / 4);
    for (const id of needed) {
      assert.ok(ranges.some(({ first, rows }) => id >= first && id < first + rows), `${id}`);
    }
  }
});
