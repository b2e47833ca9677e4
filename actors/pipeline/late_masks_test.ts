import assert from "node:assert/strict";
import type { TokenResult } from "./frame.ts";
import { LateMasks } from "./late_masks.ts";
import { oneToken, packMask } from "./token_mask.ts";

const VOCAB = 40;
const bitsOf = (token: number) => packMask(oneToken(token), VOCAB);
/** A row whose result shows its mask. */
const late = (row: number) => ({
  row,
  choose: (mask: Int32Array | undefined): TokenResult => ({
    slot: row,
    token: mask
      ? Array.from({ length: VOCAB }, (_, t) => t).find((t) => mask[t >> 5] >>> t & 1)!
      : 99,
  }),
});

Deno.test("LateMasks.hold() chooses when all masks of a frame have come, before or after it was run", () => {
  const masks = new LateMasks(VOCAB);
  const done: [number, number[]][] = [];
  const hold = (seq: number, rows: number[]) =>
    masks.hold(
      seq,
      rows.map(late),
      (chosen) => done.push([seq, rows.map((row) => chosen.get(row)!.token)]),
    );
  masks.note({ arena: "a", seq: 3, row: 1, mask: 0, bits: bitsOf(7) });
  hold(3, [1, 4]);
  assert.deepEqual(done, []);
  // Frames behind it go on.
  hold(5, [0]);
  masks.note({ arena: "a", seq: 5, row: 0, mask: 0 });
  assert.deepEqual(done, [[5, [7]]]);
  masks.note({ arena: "a", seq: 3, row: 4, mask: -1 });
  assert.deepEqual(done, [[5, [7]], [3, [7, 99]]]);
  masks.note({ arena: "a", seq: 3, row: 4, mask: 0 }); // late twice: nothing is left to choose
  assert.equal(done.length, 2);
});

Deno.test("LateMasks.note() fails the row of a mask that cannot be read, and no other", () => {
  const masks = new LateMasks(VOCAB);
  let results: TokenResult[] = [];
  masks.hold(
    0,
    [0, 1, 2].map(late),
    (chosen) => results = [0, 1, 2].map((row) => chosen.get(row)!),
  );
  masks.note({ arena: "a", seq: 0, row: 0, mask: 3 });
  masks.note({ arena: "a", seq: 0, row: 1, mask: 4, bits: packMask(oneToken(60), 64) });
  masks.note({ arena: "a", seq: 0, row: 2, mask: 4, bits: bitsOf(2) });
  assert.deepEqual(results.map(({ failed }) => failed?.code), ["no_mask", "no_mask", undefined]);
  assert.match(results[0].failed!.message, /late mask 3 has not come with its bits/);
  assert.match(results[1].failed!.message, /beyond the 40 tokens/);
  assert.equal(results[2].token, 2);
});
