import assert from "node:assert/strict";
import { convolutionTaps } from "./convolution_taps.ts";
import { Slots } from "./slots.ts";

Deno.test("convolutionTaps() follows parents across frames and branches, from the view's slot on", () => {
  const slots = new Slots(32);
  const write = (base: number, parents: number[], positions: number[]) =>
    slots.write({
      base,
      tokens: Int32Array.from(parents),
      parents: Int32Array.from(parents),
      positions: Int32Array.from(positions),
    });
  write(10, [-1, 10, 11], [0, 1, 2]);
  write(13, [11, 13, 12, -1], [2, 3, 3, 0]);
  const { taps, seen } = convolutionTaps(slots, [13, 14, 15, 16], { kernel: 3, first: 8 });
  assert.deepEqual([...taps], [2, 3, 5, 3, 5, 6, 3, 4, 7, 8, 8, 8]);
  assert.deepEqual([...seen], [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1]);
});
