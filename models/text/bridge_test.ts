import assert from "node:assert/strict";
import { join } from "node:path";
import { openBridge, type TextBridge } from "./bridge.ts";
import { Tokenizer } from "./tokenizer.ts";

const TARGET = await Tokenizer.load(join(import.meta.dirname!, "..", "embedded", "target"));
const END = TARGET.addedId("<|end|>")!;

/** A tokenizer of characters, with one token for "ing". */
const CHARS = Tokenizer.fromJson({
  model: {
    type: "BPE",
    vocab: Object.fromEntries(
      [...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)), "Ġ", "Ċ", "in", "ing"]
        .map((token, id) => [token, id]),
    ),
    merges: [["i", "n"], ["in", "g"]],
  },
  added_tokens: [{ id: 98, content: "<|stop|>", special: true }],
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
  decoder: { type: "ByteLevel" },
});
const STOP = 98;

const bridge = openBridge(
  { tokenizer: TARGET, eos: [END] },
  { tokenizer: CHARS, eos: [STOP] },
) as TextBridge;
const ids = (text: string) => TARGET.encode(text, { addSpecialTokens: false });
const chars = (text: string) => CHARS.encode(text, { addSpecialTokens: false });

Deno.test("BridgeText.follow() gives the draft model's tokens of a text, also where it grows and shrinks", () => {
  const text = bridge.open();
  const all = ids("Bees are collecting nectar in the morning, and again at noon.");
  for (const length of [3, 1, 9, 10, 7, all.length, 4]) {
    const tokens = all.slice(0, length);
    assert.deepEqual(text.follow(tokens), chars(TARGET.decode(tokens)), `${length} tokens`);
  }
  assert.deepEqual(text.follow(ids("Other words.")), chars("Other words."));
});

Deno.test("BridgeText.follow() writes special tokens out, and says nothing within a character", () => {
  const user = TARGET.addedId("<|user|>")!;
  const text = bridge.open();
  assert.deepEqual(text.follow([user, ...ids("Hi")]), chars("<|user|>Hi"));
  const cut = ids("a \u{1F41D}");
  assert.ok(cut.length > 2, "the character has several tokens");
  assert.equal(text.follow(cut.slice(0, -1)), undefined);
});

Deno.test("BridgeText.back() gives the target's tokens of a draft, but for the last, which may go on", () => {
  const text = bridge.open();
  const before = ids("Bees are");
  text.follow(before);
  const drafted = chars(" collecting nectar in");
  const { tokens, chances } = text.back({ tokens: drafted, chances: drafted.map(() => 0.9) });
  const truth = ids("Bees are collecting nectar in").slice(before.length);
  assert.deepEqual(tokens, truth.slice(0, -1));
  const spelled = tokens.map((id) => TARGET.tokenText(id));
  for (const [i, chance] of chances.entries()) {
    const steps = chars(spelled[i]).length;
    assert.ok(Math.abs(chance - 0.9 ** steps) < 1e-9, `${spelled[i]} takes ${steps} tokens`);
  }
});

Deno.test("BridgeText.back() goes on within a word, and ends where the draft model ends", () => {
  const text = bridge.open();
  const word = ids(" collecting");
  const before = [...ids("Bees are"), ...word.slice(0, 1)];
  text.follow(before);
  const rest = TARGET.decode(word.slice(1));
  const ended = text.back({
    tokens: [...chars(rest), STOP],
    chances: [...chars(rest), 0].map(() => 1),
  });
  if (word.length > 1) assert.deepEqual(ended.tokens, [...word.slice(1), END]);
  else assert.equal(ended.tokens.at(-1), END);
});

Deno.test("openBridge() says how many tokens the draft model takes, and why there is no bridge", () => {
  assert.ok(bridge.ratio > 2, `${bridge.ratio}`);
  const words = Tokenizer.fromJson({
    model: { type: "WordPiece", vocab: { "[UNK]": 0, bees: 1 }, unk_token: "[UNK]" },
    decoder: { type: "WordPiece", prefix: "##" },
  });
  const none = openBridge({ tokenizer: TARGET, eos: [] }, { tokenizer: words, eos: [] });
  assert.equal(none, "the tokens of the draft model do not say which bytes they stand for");
});
