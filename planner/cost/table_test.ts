import assert from "node:assert/strict";
import fc from "fast-check";
import { hasCode } from "../../actors/mod.ts";
import type { TimeTable } from "../types.ts";
import { cleanTable, tableSeconds } from "./mod.ts";

const axis = (from: number) =>
  fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 7 })
    .map((gaps) =>
      gaps.reduce<number[]>((all, gap) => [...all, (all.at(-1) ?? from - gap) + gap], [])
    );

/** Tables with more noise than a machine under load measures. */
const noisy: fc.Arbitrary<TimeTable> = fc.tuple(axis(1), fc.oneof(axis(0), axis(16))).chain((
  [rows, past],
) =>
  fc.array(
    fc.array(fc.double({ min: -0.1, max: 5, noNaN: true }), {
      minLength: past.length,
      maxLength: past.length,
    }),
    { minLength: rows.length, maxLength: rows.length },
  ).map((seconds) => ({ rows, past, seconds }))
);

Deno.test("tableSeconds() never falls with rows or past and is never negative, whatever was measured", () => {
  fc.assert(
    fc.property(
      noisy,
      fc.array(
        fc.tuple(
          fc.double({ min: 0, max: 900, noNaN: true }),
          fc.double({ min: 0, max: 900, noNaN: true }),
        ),
        {
          minLength: 2,
          maxLength: 30,
        },
      ),
      (table, points) => {
        for (const [rows, past] of points) {
          const here = tableSeconds(table, rows, past);
          assert.ok(here >= 0 && Number.isFinite(here));
          for (const [more, further] of points) {
            if (more < rows || further < past) continue;
            const there = tableSeconds(table, more, further);
            assert.ok(
              there >= here * (1 - 1e-12),
              `(${rows}, ${past}): ${here}, (${more}, ${further}): ${there}`,
            );
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("tableSeconds() equals every measured point, when the table is monotone", () => {
  fc.assert(fc.property(noisy, (table) => {
    const clean = cleanTable(table);
    assert.deepEqual(cleanTable(clean), clean);
    for (const [i, rows] of clean.rows.entries()) {
      for (const [j, past] of clean.past.entries()) {
        const value = clean.seconds[i][j];
        assert.ok(Math.abs(tableSeconds(clean, rows, past) - value) <= 1e-12 * (1 + value));
      }
    }
  }));
});

Deno.test("cleanTable() is nearer to the measurements than a running maximum or minimum, in relative error", () => {
  const error = (a: number[][], b: number[][]) =>
    a.flatMap((line, i) => line.map((v, j) => Math.log(v / b[i][j]) ** 2)).reduce(
      (x, y) => x + y,
      0,
    );
  fc.assert(fc.property(noisy, (table) => {
    const seconds = table.seconds.map((line) => line.map((v) => Math.abs(v) + 0.01));
    const clean = cleanTable({ ...table, seconds }).seconds;
    const rising = seconds.map((line, i) =>
      line.map((_, j) => Math.max(...seconds.slice(0, i + 1).flatMap((l) => l.slice(0, j + 1))))
    );
    const falling = seconds.map((line, i) =>
      line.map((_, j) => Math.min(...seconds.slice(i).flatMap((l) => l.slice(j))))
    );
    assert.ok(
      error(clean, seconds) <= Math.min(error(rising, seconds), error(falling, seconds)) + 1e-6,
    );
  }));
});

Deno.test("cleanTable() moves an outlier and its neighbour to their geometric mean", () => {
  const { seconds } = cleanTable({
    rows: [1, 2, 4],
    past: [0],
    seconds: [[0.004], [0.001], [0.01]],
  });
  assert.deepEqual(seconds.map(([v]) => Number(v.toFixed(9))), [0.002, 0.002, 0.01]);
});

Deno.test("tableSeconds() follows the nearest segment between and beyond the measured points", () => {
  // 10 ms fixed and 2 ms a row; each past row adds 0.1 ms at one row and 0.4 ms at 4 rows
  const table = { rows: [1, 4], past: [0, 100], seconds: [[12, 22], [18, 58]] };
  assert.equal(tableSeconds(table, 2, 0), 14);
  assert.equal(tableSeconds(table, 1, 50), 17);
  assert.equal(tableSeconds(table, 10, 0), 30);
  assert.equal(tableSeconds(table, 0.5, 0), 11);
  assert.equal(tableSeconds(table, 4, 200), 98);
  assert.equal(tableSeconds(table, 1, 300), 42);
  assert.equal(tableSeconds(table, 0, 50), 0);
});

Deno.test("tableSeconds() scales in proportion to rows, when one row count was measured", () => {
  const table = { rows: [8], past: [0], seconds: [[4]] };
  assert.equal(tableSeconds(table, 2, 0), 1);
  assert.equal(tableSeconds(table, 16, 1000), 8);
});

Deno.test("tableSeconds() does not make further rows free, when noise leaves a flat end", () => {
  const table = { rows: [1, 64, 128, 256], past: [0], seconds: [[1], [64], [256], [255]] };
  assert.ok(tableSeconds(table, 512, 0) > 1.5 * tableSeconds(table, 256, 0));
});

Deno.test("cleanTable() refuses a broken table, and says what is wrong in it", () => {
  const bad = (table: TimeTable, message: RegExp) =>
    assert.throws(
      () => cleanTable(table),
      (e) => hasCode(e, "bad_table") && message.test(e.message),
    );
  bad({ rows: [2, 1], past: [0], seconds: [[1], [1]] }, /rows must ascend.*\[2,1\]/);
  bad({ rows: [0, 1], past: [0], seconds: [[1], [1]] }, /rows must ascend/);
  bad({ rows: [1], past: [], seconds: [[]] }, /past must ascend/);
  bad({ rows: [1, 2], past: [0], seconds: [[1]] }, /must be 2 x 1, got 1 x 1/);
  bad({ rows: [1, 2], past: [0], seconds: [[1], [NaN]] }, /2 rows over 0 are NaN/);
});
