import assert from "node:assert/strict";
import { NearRows } from "./near_rows.ts";
import { PrefixCache } from "./prefix_cache.ts";
import { rebuiltNear } from "./rebuilt_near.ts";
import { newRow, type Row, RowPool } from "./row_pool.ts";

/** Rows that hang on each other, placed in an arena whose windowed layers have `capacity` near slots. */
function placed(count: number, near: NearRows, capacity: number): { rows: Row[]; pool: RowPool } {
  const pool = new RowPool(near);
  pool.capacity = near.capacity = capacity;
  const rows: Row[] = [];
  for (let i = 0; i < count; i++) {
    const row = newRow(i, i, { parent: rows.at(-1) });
    pool.place(row);
    row.done = true;
    rows.push(row);
  }
  return { rows, pool };
}

Deno.test("NearRows.plan() asks for no more than may be had, and keeps the ends of cached chains first", () => {
  const near = new NearRows({ window: 10, slackRows: 8 });
  const { rows, pool } = placed(100, near, 104);
  const cache = new PrefixCache(pool);
  for (const row of rows) cache.add(row);
  for (const row of rows.toReversed()) cache.release(row);
  const needs = { running: [], cache, slots: 200 };
  const wide = near.plan(4, { ...needs, most: 200 });
  assert.deepEqual(
    wide.keep.map(({ position }) => position),
    rows.slice(-74).map((r) => r.position).reverse(),
  );
  assert.deepEqual([wide.capacity, wide.rows], [104, 4]);
  const narrow = near.plan(20, { ...needs, most: 40 });
  assert.deepEqual([narrow.capacity, narrow.keep.length, narrow.rows], [40, 20, 20]);
  const kept = near.arrange(narrow);
  assert.deepEqual(kept.map((row) => row.near), kept.map((_, i) => i));
  assert.deepEqual([near.room, rows[0].near, rows.at(-1)!.near], [20, -1, 19]);
});

Deno.test("NearRows gives the near slots of freed rows at the end out again, and takes no row beyond them", () => {
  const near = new NearRows({ window: 4 });
  const { rows, pool } = placed(6, near, 6);
  assert.throws(() => near.place(newRow(0, 6)), RangeError);
  pool.free(rows[4]);
  assert.equal(near.room, 0);
  pool.free(rows[5]);
  assert.equal(near.room, 2);
});

Deno.test("rebuiltNear() keeps what later frames attend to and what other stages have, in as much room", () => {
  const near = new NearRows({ window: 5 });
  const { rows } = placed(60, near, 60);
  near.arrange({ capacity: 14, keep: [...rows.slice(0, 2), ...rows.slice(-4)], rows: 0 });
  const frames = rebuiltNear(rows, near, 8);
  assert.equal(frames.length, 8);
  assert.deepEqual(frames[0].layout, { capacity: 14, keep: new Int32Array(0) });
  for (const [i, { base, layout }] of frames.entries()) {
    if (i === 0) continue;
    assert.deepEqual(
      [...layout!.keep],
      [0, 1, ...[4, 3, 2, 1].map((n) => 8 * i - n)],
      `frame ${i}`,
    );
    assert.equal(base, 6);
  }
});
