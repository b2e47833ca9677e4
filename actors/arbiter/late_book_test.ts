import assert from "node:assert/strict";
import { MOST_LATE_MASKS } from "../pipeline/mod.ts";
import { LateBook } from "./late_book.ts";

const mask = (n: number) => ({ bits: Uint8Array.of(1, n) });

Deno.test("LateBook.name() gives a mask's bits once, and none where every token may follow", () => {
  const book = new LateBook();
  const [a, b] = [mask(1), mask(2)];
  assert.deepEqual(book.name(undefined), { mask: -1 });
  assert.deepEqual(book.name(a), { mask: 0, bits: a.bits });
  assert.deepEqual(book.name(b), { mask: 1, bits: b.bits });
  assert.deepEqual(book.name(a), { mask: 0 });
  book.clear();
  assert.deepEqual(book.name(b), { mask: 0, bits: b.bits });
});

Deno.test("LateBook.name() gives the number of the mask that was used longest ago to a new one", () => {
  const book = new LateBook();
  const masks = Array.from({ length: MOST_LATE_MASKS }, (_, i) => mask(i));
  for (const [i, m] of masks.entries()) assert.equal(book.name(m).mask, i);
  book.name(masks[0]);
  const other = mask(255);
  assert.deepEqual(book.name(other), { mask: 1, bits: other.bits });
  assert.deepEqual(book.name(masks[1]), { mask: 2, bits: masks[1].bits });
  assert.deepEqual(book.name(masks[0]), { mask: 0 });
});
