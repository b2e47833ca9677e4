import assert from "node:assert/strict";
import { PrefixCache } from "./prefix_cache.ts";
import { newRow, type Row, RowPool } from "./row_pool.ts";

/** A pool with chains of cached rows that were used one after the other, each `length` rows of tokens salt, salt + 1 ... */
function chains(salts: number[], length = 10): { pool: RowPool; cache: PrefixCache; rows: Row[][] } {
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

Deno.test("The least recently used end of a chain goes first, and a chain's beginning last", () => {
  const { cache, rows } = chains([100, 200, 300]);
  assert.equal(cache.evict(13), 13);
  assert.ok(rows[0].every((row) => row.freed));
  assert.deepEqual(rows[1].map((row) => row.freed), rows[1].map((_, i) => i >= 7));
  assert.equal(cache.idle, 17);
});

Deno.test("Rows of a younger age stay, however many are to go", () => {
  const { cache, rows } = chains([100, 200, 300]);
  assert.deepEqual([-1, 0, 1, 2].map((age) => cache.olderThan(age)), [30, 20, 10, 0]);
  assert.equal(cache.evict(1000, { age: 0.5 }), 20);
  assert.ok(rows[2].every((row) => !row.freed));
  assert.equal(cache.find(undefined, 300), rows[2][0]);
});

Deno.test("Rows that a request names are never evicted, nor those that they hang on", () => {
  const { cache, rows } = chains([100, 200]);
  for (const row of rows[0].slice(0, 4)) cache.claim(row);
  assert.equal(cache.olderThan(-1), 16);
  assert.equal(cache.evict(1000), 16);
  assert.deepEqual(rows[0].map((row) => row.freed), rows[0].map((_, i) => i >= 4));
});
