import assert from "node:assert/strict";
import { bytesOfToken, spellingOf } from "./token_bytes.ts";

const utf8 = (text: string) => [...new TextEncoder().encode(text)];

Deno.test("bytesOfToken() reads GPT-2's alphabet and sentencepiece's", () => {
  assert.deepEqual([...bytesOfToken("Ġhello", "byte_level")], utf8(" hello"));
  assert.deepEqual([...bytesOfToken("Ã©Ċ", "byte_level")], utf8("é\n"));
  assert.deepEqual(
    [...bytesOfToken("日本", "byte_level")],
    utf8("日本"),
    "no word of that alphabet",
  );
  assert.deepEqual([...bytesOfToken("\u2581hi", "sentencepiece")], utf8(" hi"));
  assert.deepEqual([...bytesOfToken("<0xE2>", "sentencepiece")], [0xe2]);
});

Deno.test("spellingOf() knows decoders of both kinds, and no others", () => {
  assert.equal(spellingOf({ type: "ByteLevel" }), "byte_level");
  const replace = { type: "Replace", pattern: { String: "\u2581" }, content: " " };
  assert.equal(spellingOf({ type: "Sequence", decoders: [replace] }), "sentencepiece");
  assert.equal(spellingOf({ type: "Metaspace" }), "sentencepiece");
  assert.equal(spellingOf({ type: "WordPiece" }), undefined);
  assert.equal(spellingOf(null), undefined);
});
