import assert from "node:assert/strict";
import { columnsOf, WordWrap, wrappedLines } from "./word_wrap.ts";

Deno.test("WordWrap breaks at words whatever the pieces of the text are", () => {
  const text = "the quick brown fox\njumps over the lazy dog and 漢字漢字漢字漢字 end";
  const whole = wrappedLines(text, 12);
  for (const line of whole) assert.ok(columnsOf(line) <= 12, line);
  assert.deepEqual(whole.slice(0, 3), ["the quick", "brown fox", "jumps over"]);
  assert.equal(whole.join(" ").replaceAll(/\s/g, ""), text.replaceAll(/\s/g, ""));
  for (const size of [1, 2, 3, 7]) {
    const wrap = new WordWrap(12);
    let out = "";
    for (let at = 0; at < text.length; at += size) out += wrap.push(text.slice(at, at + size));
    assert.deepEqual((out + wrap.end()).split("\n"), whole, `pieces of ${size}`);
  }
});

Deno.test("WordWrap breaks a word that is wider than the terminal, and keeps indentation", () => {
  assert.deepEqual(wrappedLines("x".repeat(25), 10), [
    "x".repeat(10),
    "x".repeat(10),
    "x".repeat(5),
  ]);
  assert.deepEqual(wrappedLines("  - a b", 10), ["  - a b"]);
});

Deno.test("WordWrap sends no control characters to a terminal", () => {
  assert.deepEqual(wrappedLines("a\x1b]0;title\x07b\r\tc", 40), ["a]0;titleb    c"]);
});
