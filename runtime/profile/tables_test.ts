import assert from "node:assert/strict";
import fc from "fast-check";
import { differenceTable, longerTable, median, type Paired, plainTable } from "./tables.ts";

Deno.test("median() is the middle value, whatever the order", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

Deno.test("differenceTable() finds a layer's time, when every repeat was slowed by something else", () => {
  const seconds = fc.double({ min: 1e-5, max: 1, noNaN: true });
  fc.assert(
    fc.property(
      seconds,
      seconds,
      fc.array(fc.double({ min: 0, max: 10, noNaN: true }), { minLength: 1, maxLength: 9 }),
      fc.integer({ min: 1, max: 8 }),
      (plain, layer, noise, parts) => {
        const point: Paired = {
          rows: 4,
          past: 0,
          plain: noise.map((n) => plain + n),
          more: noise.map((n) => plain + n + parts * layer),
        };
        const { seconds: [[found]] } = differenceTable([point], parts);
        assert.ok(Math.abs(found - layer) < 1e-9, `${found} instead of ${layer}`);
      },
    ),
  );
});

Deno.test("differenceTable() orders its axes and never goes below 0", () => {
  const points = [[8, 512], [1, 0], [8, 0], [1, 512]].map(([rows, past]): Paired => ({
    rows,
    past,
    plain: [1, 1, 1],
    more: rows === 1 ? [0.5, 0.5, 0.5] : [1 + past, 1 + past, 1 + past],
  }));
  assert.deepEqual(differenceTable(points, 2), {
    rows: [1, 8],
    past: [0, 512],
    seconds: [[0, 0], [0, 256]],
  });
  assert.deepEqual(plainTable(points).seconds, [[1, 1], [1, 1]]);
});

Deno.test("longerTable() appends rows", () => {
  const a = { rows: [1], past: [0], seconds: [[1]] };
  const b = { rows: [8, 16], past: [0], seconds: [[2], [3]] };
  assert.deepEqual(longerTable(a, b), { rows: [1, 8, 16], past: [0], seconds: [[1], [2], [3]] });
});
