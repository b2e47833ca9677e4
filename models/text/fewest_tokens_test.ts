import assert from "node:assert/strict";
import * as fc from "fast-check";
import { join } from "node:path";
import { shrinksBy } from "./fewest_tokens.ts";
import { Tokenizer } from "./tokenizer.ts";

const EMBEDDED = join(import.meta.dirname!, "..", "embedded", "target");
const steps = {
  model: { type: "BPE" },
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel" },
  added_tokens: [],
};

Deno.test("shrinksBy() states a bound only where nothing of a text is thrown away", () => {
  assert.equal(shrinksBy(steps), 1);
  assert.equal(shrinksBy({ ...steps, normalizer: { type: "NFC" } }), 3);
  const unknown = [
    { model: { type: "WordPiece" } },
    { model: { type: "Unigram" } },
    { pre_tokenizer: null }, // without bytes for what is unknown, unknown text is one token
    { pre_tokenizer: { type: "WhitespaceSplit" } },
    {
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [{ type: "Split", behavior: "Removed" }, { type: "ByteLevel" }],
      },
    },
    { normalizer: { type: "Strip" } },
    { normalizer: { type: "Replace", pattern: { Regex: " +" }, content: " " } },
    { added_tokens: [{ content: "<x>", lstrip: true }] },
  ];
  for (const part of unknown) assert.equal(shrinksBy({ ...steps, ...part }), undefined);
  const llama = {
    model: { type: "BPE", byte_fallback: true },
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "\u2581" },
        { type: "Replace", pattern: { String: " " }, content: "\u2581" },
      ],
    },
    pre_tokenizer: null,
    added_tokens: [],
  };
  assert.equal(shrinksBy(llama), 1);
});

Deno.test("Tokenizer.fewestTokens() and exceeds() never say more than the tokens of a text", async () => {
  const tokenizer = await Tokenizer.load(EMBEDDED);
  const text = fc.array(
    fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(" ", "\n\n", " the", "don't", "    ")),
    { maxLength: 60 },
  ).map((parts) => parts.join("").repeat(8));
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 60 }), (text, most) => {
      const count = tokenizer.encode(text, { addSpecialTokens: false }).length;
      assert.ok(tokenizer.fewestTokens(text) <= count);
      if (tokenizer.exceeds(text, most)) assert.ok(count > most);
    }),
    { numRuns: 300 },
  );
});

Deno.test("Tokenizer.exceeds() tells of a long text without reading all of it", async () => {
  const tokenizer = await Tokenizer.load(EMBEDDED);
  const words = "rain falls because warm air rises and cools. ".repeat(100_000);
  assert.ok(tokenizer.exceeds(words, 4096));
  // A bound by bytes alone would not show it: these words have few bytes more than the tokens allow.
  const near = "rain falls because warm air ".repeat(2_000);
  const count = tokenizer.encode(near).length;
  assert.ok(tokenizer.fewestTokens(near) < count / 2);
  assert.ok(tokenizer.exceeds(near, Math.floor(count / 8)));
  assert.ok(!tokenizer.exceeds(near, count));
});
