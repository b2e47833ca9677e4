import assert from "node:assert/strict";
import { ANY, charsIn, charsOf, hasChar, intersect, invert, unite, without } from "./chars.ts";

Deno.test("charsOf() joins ranges that overlap or touch, and drops surrogates", () => {
  assert.deepEqual(charsOf([[5, 9], [1, 3], [4, 4], [20, 10]]), [1, 9]);
  assert.deepEqual(charsOf([[0xd700, 0xe001]]), [0xd700, 0xd7ff, 0xe000, 0xe001]);
});

Deno.test("invert() and without() leave what is not in a set", () => {
  const vowels = charsIn("aeiou");
  assert.deepEqual(invert(invert(vowels)), vowels);
  assert.deepEqual(unite(vowels, invert(vowels)), ANY);
  assert.deepEqual(without(charsOf([[97, 101]]), vowels), [98, 100]);
  assert.deepEqual(intersect(vowels, charsOf([[98, 105]])), [101, 101, 105, 105]);
  assert.ok(hasChar(invert(vowels), 0x1f600) && !hasChar(ANY, 0xd800));
});
