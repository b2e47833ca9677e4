import assert from "node:assert/strict";
import { PrefixCache } from "./prefix_cache.ts";
import { newRow, type Row, RowPool } from "./row_pool.ts";

/**
 * A pool with chains of cached rows that were used one after the other, each `length` rows of
 * tokens salt, salt + 1 ...
 */
function chains(
  salts: number[],
  length = 10,
): { pool: RowPool; cache: PrefixCache; rows: Row[][] } {
  const pool = new RowPool();
  pool.capacity = 1000;
  const cache = new PrefixCache(pool);
  const rows = salts.map((salt) => {
    const chain: Row[] = [];
    for (let i = 0; i < length; i++) {
      const row = newRow(salt + i, i, { parent: chain.at(-1) });
      pool.place(row);
      assert.ok(cache.add(row));
      row.done = true;
      chain.push(row);
    }
    return chain;
  });
  for (const chain of rows) {
    cache.tick();
    for (const row of chain.toReversed()) cache.release(row);
  }
  return { pool, cache, rows };
}

Deno.test("PrefixCache.evict() frees the least recently used end of a chain first, and a chain's beginning last", () => {
  const { cache, rows } = chains([100, 200, 300]);
  assert.equal(cache.evict(13), 13);
  assert.ok(rows[0].every((row) => row.freed));
  assert.deepEqual(rows[1].map((row) => row.freed), rows[1].map((_, i) => i >= 7));
  assert.equal(cache.idle, 17);
});

Deno.test("PrefixCache.evict() never frees rows that a request names, nor those that they hang on", () => {
  const { cache, rows } = chains([100, 200]);
  for (const row of rows[0].slice(0, 4)) cache.claim(row);
  assert.equal(cache.idle, 16);
  assert.equal(cache.evict(1000), 16);
  assert.deepEqual(rows[0].map((row) => row.freed), rows[0].map((_, i) => i >= 4));
});

Deno.test("PrefixCache.find() finds rows on the shelf, which are called back when claimed and evicted like others", () => {
  const { pool, cache, rows } = chains([100, 200]);
  const moved = pool.arrange((row) => row.users === 0);
  assert.deepEqual([moved.keep.length, moved.shelf?.length, pool.room], [0, 20, 980]);
  assert.ok(rows.flat().every((row) => row.shelved && row.slot >= 980));
  for (let parent: Row | undefined, i = 0; i < 4; i++) {
    parent = cache.find(parent, 200 + i)!;
    cache.claim(parent);
  }
  assert.deepEqual([pool.called, cache.idle], [4, 16]);
  cache.release(rows[1][3]);
  assert.deepEqual([pool.called, cache.idle], [3, 17]);
  assert.equal(cache.evict(12), 12);
  assert.equal(pool.holes, 12);
  const again = pool.arrange((row) => row.users === 0);
  assert.deepEqual([...again.keep], [-10, -9, -8], "called back to the first slots");
  assert.deepEqual([pool.called, pool.live, pool.shelved, pool.holes], [0, 3, 5, 0]);
});
