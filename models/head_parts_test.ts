import assert from "node:assert/strict";
import { HEAD_PARTS, headBounds } from "./head_parts.ts";

Deno.test("headBounds() cuts at multiples of 128 rows, of 32 where there are few, in even parts", () => {
  assert.deepEqual(headBounds(1024), [0, 128, 256, 384, 512, 640, 768, 896, 1024]);
  assert.deepEqual(headBounds(300), [0, 32, 64, 128, 160, 192, 224, 256, 300]);
  for (const vocab of [8, 21, 96, 256, 300, 1000, 2048, 32000, 32003, 49152, 151936, 262144]) {
    const bounds = headBounds(vocab);
    assert.equal(bounds.length, HEAD_PARTS + 1);
    assert.deepEqual([bounds[0], bounds.at(-1)], [0, vocab]);
    const step = [128, 32, 8, 1].find((s) => vocab >= 8 * s)!;
    for (const [i, bound] of bounds.slice(0, -1).entries()) {
      const rows = bounds[i + 1] - bound;
      assert.equal(bound % step, 0, `${vocab}: part ${i} begins at ${bound}`);
      assert.ok(rows > 0 && Math.abs(rows - vocab / HEAD_PARTS) <= 2 * step, `${vocab}: ${bounds}`);
    }
  }
});

Deno.test("headBounds() leaves parts empty where there are fewer tokens than parts", () => {
  const bounds = headBounds(3);
  assert.equal(bounds.length, HEAD_PARTS + 1);
  assert.deepEqual([...bounds].sort((a, b) => a - b), bounds);
  assert.deepEqual([bounds[0], bounds.at(-1)], [0, 3]);
});
