import assert from "node:assert/strict";
import { StateTable } from "./state_table.ts";

Deno.test("StateTable.offer() keeps the cheapest label of each key", () => {
  const table = new StateTable();
  table.layer();
  const id = table.offer(3, 7, 10);
  assert.equal(table.offer(3, 7, 10), -1, "as cheap");
  assert.equal(table.offer(3, 7, 11), -1, "dearer");
  assert.equal(table.offer(3, 7, 9), id, "cheaper: the same label");
  assert.equal(table.cost[id], 9);
  assert.notEqual(table.offer(3, 8, 20), id);
  assert.notEqual(table.offer(4, 7, 20), id);
  assert.equal(table.size, 3);
});

Deno.test("StateTable.layer() forgets the keys of earlier layers and keeps their labels", () => {
  const table = new StateTable();
  assert.equal(table.layer(), 0);
  const old = table.offer(1, 2, 5);
  assert.equal(table.find(1, 2), old);
  assert.equal(table.layer(), 1);
  assert.equal(table.find(1, 2), -1);
  const id = table.offer(1, 2, 50);
  assert.equal(table.find(1, 2), id);
  assert.deepEqual([table.cost[old], table.cost[id]], [5, 50]);
  for (let rest = 0; rest < 5_000; rest++) table.offer(3, rest, 0); // the hash table grows
  assert.equal(table.offer(1, 2, 40), id, "the first label of the key is not back");
});

Deno.test("StateTable.find() finds every key, when the table has grown many times", () => {
  const table = new StateTable();
  table.layer();
  const sets = Array.from({ length: 100 }, (_, i) => i * 2 ** 40 + i); // beyond 32 bits too
  for (const [i, set] of sets.entries()) {
    for (let rest = 0; rest < 100; rest++) table.offer(set, rest, 1000 * i + rest);
  }
  assert.equal(table.size, 10_000);
  for (const [i, set] of sets.entries()) {
    for (let rest = 0; rest < 100; rest++) {
      assert.equal(table.cost[table.find(set, rest)], 1000 * i + rest);
    }
  }
  assert.equal(table.find(sets[5], 100), -1);
});

Deno.test("StateTable.widest() returns the largest bound among the best labels of a range", () => {
  const table = new StateTable();
  table.layer();
  for (const [i, bound] of [5, 1, 4, 2, 3].entries()) table.bound[table.offer(i, 0, 0)] = bound;
  assert.equal(table.widest(0, 5, 2), 2);
  assert.equal(table.widest(1, 5, 3), 3);
  assert.equal(table.widest(0, 5, 5), Infinity);
});
