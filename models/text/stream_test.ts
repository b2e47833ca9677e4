import assert from "node:assert/strict";
import fc from "fast-check";
import { join } from "node:path";
import { skipAbsent } from "../../tests/support/absent.ts";
import { loadIfThere, SHARED_DATA, tinyTokenizer } from "../../tests/support/tokenizers.ts";
import { TextStream } from "./stream.ts";
import type { Tokenizer } from "./tokenizer.ts";

const SAMPLES = [
  "Hello world",
  "  two spaces, then \n\n lines\t",
  "你好，世界。行星仪显示每颗行星",
  "🪐🌍👩‍🚀👨‍👩‍👧‍👦🏳️‍🌈 x",
  "e\u0301 n\u0303 \u1100\u1161\u11a8 \u0915\u094d\u0937",
  "\u{1F600}a\u{10FFFD}\u{20000}",
  "don't . stop , now ? it 's !",
];

/**
 * Every push in order; asserts that none shows half a character, unless the ids themselves do (a
 * byte without a token).
 */
function streamed(tokenizer: Tokenizer, ids: number[], whole: string): string {
  const stream = new TextStream(tokenizer);
  const pieces = ids.map((id) => stream.push(id));
  for (const piece of pieces) {
    assert.ok(piece.isWellFormed(), JSON.stringify(piece));
    assert.ok(whole.includes("\uFFFD") || !piece.includes("\uFFFD"), JSON.stringify(piece));
  }
  return pieces.join("") + stream.flush();
}

const FETCHED = ["SmolLM2-135M-Instruct", "Qwen2.5", "Llama-2"];
const TOKENIZERS: [name: string, load: () => Promise<Tokenizer | undefined>][] = [
  ["the tiny tokenizer", tinyTokenizer],
  ["the pilot tokenizer", () => loadIfThere(join(SHARED_DATA, "pilot-model/target"))],
  ...FETCHED.map((name): [string, () => Promise<Tokenizer | undefined>] => [
    `the tokenizer of ${name}`,
    () => loadIfThere(join(SHARED_DATA, "fetched/tokenizers", name)),
  ]),
];

for (const [name, load] of TOKENIZERS) {
  Deno.test(`TextStream.push() gives pieces that add up to the whole text, with ${name}`, async (t) => {
    const tokenizer = await load();
    if (!tokenizer) {
      await skipAbsent(t);
      return;
    }
    const check = (text: string) => {
      const ids = tokenizer.encode(text, { addSpecialTokens: false });
      const whole = tokenizer.decode(ids);
      assert.equal(streamed(tokenizer, ids, whole), whole);
      return whole;
    };
    for (const sample of SAMPLES) {
      assert.equal(check(sample), name.includes("Qwen") ? sample.normalize("NFC") : sample);
    }
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (text) => void check(text)),
      {
        numRuns: 150,
      },
    );
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 20 }), (text) => void check(text)),
      {
        numRuns: 100,
      },
    );
  });

  Deno.test(`TextStream.push() gives well-formed text for any ids, with ${name}`, async (t) => {
    const tokenizer = await load();
    if (!tokenizer) {
      await skipAbsent(t);
      return;
    }
    const id = fc.oneof(fc.nat(tokenizer.vocabSize + 5), fc.nat(300));
    fc.assert(
      fc.property(fc.array(id, { maxLength: 120 }), (ids) => {
        const stream = new TextStream(tokenizer);
        const text = ids.map((id) => stream.push(id)).join("") + stream.flush();
        assert.ok(text.isWellFormed());
      }),
      { numRuns: 60 },
    );
  });
}

Deno.test("TextStream.push() holds back a character until its last byte came", async () => {
  const tokenizer = await tinyTokenizer();
  const stream = new TextStream(tokenizer);
  const pushes = tokenizer.encode("é🪐!").map((id) => stream.push(id));
  assert.deepEqual(pushes, ["", "é", "", "", "", "🪐", "!"]);
  assert.equal(stream.flush(), "");
});

Deno.test("TextStream.flush() gives U+FFFD for a character that never got complete", async () => {
  const tokenizer = await tinyTokenizer();
  const stream = new TextStream(tokenizer);
  const [first, ...rest] = tokenizer.encode("a🪐");
  assert.equal(stream.push(first) + rest.slice(0, 2).map((id) => stream.push(id)).join(""), "a");
  assert.equal(stream.flush(), "\uFFFD");
  assert.equal(stream.flush(), "");
});

Deno.test("TextStream.push() keeps the first word's space when it knows the end of the prompt", async (t) => {
  const tokenizer = await loadIfThere(join(SHARED_DATA, "fetched/tokenizers/Llama-2"));
  if (!tokenizer) {
    await skipAbsent(t);
    return;
  }
  const prompt = tokenizer.encode("Once");
  const [id] = tokenizer.encode("upon", { addSpecialTokens: false });
  assert.equal(new TextStream(tokenizer).push(id), "upon");
  assert.equal(new TextStream(tokenizer, { context: prompt }).push(id), " upon");
});
