import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRanges, evenHead, evenSplit, parseLayers } from "./mod.ts";

Deno.test("evenSplit() covers every layer once with sizes that differ by one at most", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 40 }),
      (layers, nodes) => {
        const ranges = evenSplit(layers, nodes);
        checkRanges(ranges, layers);
        const sizes = ranges.map((r) => r.last - r.first + 1);
        assert.equal(ranges.length, Math.min(layers, nodes));
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
      },
    ),
  );
});

Deno.test("parseLayers() reads ranges and single layers", () => {
  assert.deepEqual(parseLayers("0-3, 4,5-7"), [{ first: 0, last: 3 }, { first: 4, last: 4 }, {
    first: 5,
    last: 7,
  }]);
  assert.throws(() => parseLayers("0-3,x"), /"x" is not a range/);
});

Deno.test("checkRanges() names the gap, the overlap and the missing end", () => {
  assert.throws(() => checkRanges(parseLayers("0-2,4-7"), 8), /must begin at layer 3/);
  assert.throws(() => checkRanges(parseLayers("0-3,3-7"), 8), /must begin at layer 4/);
  assert.throws(
    () => checkRanges(parseLayers("0-3,4-6"), 8),
    /ends at layer 6, the model's last layer is 7/,
  );
});

Deno.test("evenHead() gives every device the same number of parts, in order, but for the rest", () => {
  const ranges = (devices: number) =>
    evenHead(Array.from({ length: devices }, (_, i) => `d${i}`)).map((s) =>
      `${s.device}:${s.first_part}-${s.last_part}`
    );
  assert.deepEqual(ranges(1), ["d0:0-7"]);
  assert.deepEqual(ranges(3), ["d0:0-2", "d1:3-5", "d2:6-7"]);
  assert.deepEqual(ranges(4), ["d0:0-1", "d1:2-3", "d2:4-5", "d3:6-7"]);
  for (const devices of [8, 20]) {
    assert.deepEqual(ranges(devices), Array.from({ length: 8 }, (_, i) => `d${i}:${i}-${i}`));
  }
});
