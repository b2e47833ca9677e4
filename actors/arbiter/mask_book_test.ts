import assert from "node:assert/strict";
import { MaskBook, MOST_ANNOUNCED } from "./mask_book.ts";

const mask = (n: number) => ({ bits: Uint8Array.of(1, n) });

Deno.test("MaskBook.frame() announces a mask once, and numbers the rows that name it", () => {
  const book = new MaskBook();
  const [a, b] = [mask(1), mask(2)];
  assert.deepEqual(book.frame([undefined]), { announced: [], forgotten: [] });
  const first = book.frame([a, undefined, b, a]);
  assert.deepEqual(first.announced, [{ id: 0, mask: a }, { id: 1, mask: b }]);
  assert.deepEqual(first.wanted, Int32Array.of(0, -1, 1, 0));
  assert.deepEqual(book.frame([b]), { wanted: Int32Array.of(1), announced: [], forgotten: [] });
});

Deno.test("MaskBook.frame() lets the stages forget the masks that were used longest ago", () => {
  const book = new MaskBook();
  const masks = Array.from({ length: MOST_ANNOUNCED }, (_, i) => mask(i));
  for (const m of masks) assert.deepEqual(book.frame([m]).forgotten, []);
  book.frame([masks[0]]);
  const more = [mask(1), mask(2)];
  assert.deepEqual(book.frame(more).forgotten, [1, 2]);
  assert.deepEqual(book.frame([masks[1]]).announced.map(({ id }) => id), [MOST_ANNOUNCED + 2]);
  const many = Array.from({ length: MOST_ANNOUNCED + 9 }, (_, i) => mask(i));
  assert.equal(
    book.frame(many).announced.length,
    MOST_ANNOUNCED + 9,
    "masks of one frame all stay",
  );
  assert.equal(book.frame([many[0]]).announced.length, 0);
});

Deno.test("MaskBook.takeBack() announces and forgets again what a lost frame said", () => {
  const book = new MaskBook();
  const a = mask(1);
  const lost = book.frame([a]);
  book.takeBack(lost.announced.map((m) => m.mask), [7]);
  const again = book.frame([a]);
  assert.deepEqual([again.announced.length, again.forgotten], [1, [7]]);
  book.takeBack([], [8]);
  assert.deepEqual(book.frame([]), { announced: [], forgotten: [8] });
});
