import assert from "node:assert/strict";
import { Memory } from "./memory.ts";
import { newRow, type Row } from "./row_pool.ts";

const error = { group: "engine", code: "arena_memory", message: "no memory for 512 rows" };

/** Memory of at most `capacityRows` rows; `wait` lets time pass. */
function memoryOf(capacityRows = 1024) {
  let now = 0;
  const memory = new Memory({ capacityRows, now: () => now, replyTo: "d/arbiter/a", wire: "f16" });
  return { memory, wait: (ms: number) => void (now += ms) };
}

/** Opens an arena of 256 rows and fills `rows` of them with a chain. */
function opened(rows: number, capacityRows?: number) {
  const { memory, wait } = memoryOf(capacityRows);
  memory.open(200, 1);
  memory.sent(0);
  memory.answered(0);
  const chain: Row[] = [];
  for (let i = 0; i < rows; i++) {
    const row = newRow(i, i, { parent: chain.at(-1) });
    memory.pool.place(row);
    chain.push(row);
  }
  return { memory, wait, chain };
}

Deno.test("Memory.open() asks for a multiple of 256 rows, and for no more than there may be", () => {
  const { rows, layout } = memoryOf().memory.open(300, 40);
  assert.equal(rows, 40);
  assert.deepEqual([layout!.capacity, layout!.keep.length], [512, 0]);
  assert.deepEqual([layout!.reply_to, layout!.wire], ["d/arbiter/a", "f16"]);
  assert.equal(memoryOf(400).memory.open(300, 40).layout!.capacity, 400);
});

Deno.test("Memory.room() gives free slots without a layout, and doubles the arena when they are too few", () => {
  const { memory } = opened(250);
  assert.deepEqual(memory.room(6), { rows: 6 });
  const { rows, layout } = memory.room(7);
  assert.deepEqual([rows, layout!.capacity, layout!.keep.length], [7, 512, 250]);
  assert.equal(memory.growths, 1);
  assert.deepEqual(memory.room(300), { rows: 262 }, "one layout that asks for memory at a time");
});

Deno.test("Memory.room() moves rows together when holes are worth it, or the arena may not grow", () => {
  const many = opened(256);
  for (const row of many.chain.slice(100, 200)) many.memory.pool.free(row);
  const { rows, layout } = many.memory.room(10);
  assert.deepEqual([rows, layout!.capacity, layout!.keep.length], [10, 256, 156]);
  const full = opened(256, 256);
  full.memory.pool.free(full.chain[7]);
  assert.deepEqual(full.memory.room(10).rows, 1);
  assert.deepEqual([many.memory.compactions, full.memory.compactions], [1, 1]);
});

Deno.test("Memory.room() evicts cached rows that no request names when nothing else makes room", () => {
  const { memory, chain } = opened(256, 256);
  for (const row of chain) {
    row.done = true;
    memory.cache.add(row);
  }
  assert.equal(memory.room(10).rows, 0, "all rows are named");
  for (const row of chain.slice(100).toReversed()) memory.cache.release(row);
  assert.equal(memory.room(10).rows, 10);
  assert.equal(memory.pool.live, 256 - 64, "a quarter of the arena is evicted");
});

Deno.test("Memory.refuse() goes on with the arena as it was, and asks for half of the step for a minute", () => {
  const { memory, wait } = opened(250);
  memory.room(100);
  memory.sent(1);
  assert.ok(memory.asked(1) && !memory.asked(0));
  assert.equal(memory.refuse(error), false, "the arena of 256 rows is open");
  assert.deepEqual([memory.pool.capacity, memory.limit, memory.refusal], [256, 384, error]);
  const { layout } = memory.room(100);
  assert.equal(layout!.capacity, 384);
  wait(60_001);
  assert.deepEqual([memory.limit, memory.refusal], [1024, undefined]);
});

Deno.test("Memory.refuse() says that no arena is open when the first layout is refused", () => {
  const { memory } = memoryOf();
  memory.open(512, 10);
  memory.sent(0);
  assert.equal(memory.refuse(error), true);
  assert.deepEqual([memory.limit, memory.pool.capacity], [256, 256]);
  memory.forgetRefusal();
  assert.equal(memory.limit, 1024);
});

Deno.test("Memory.room() moves cold rows to the shelf when rows to come pay for it", () => {
  const { memory, chain } = opened(200);
  for (const row of chain) {
    row.done = true;
    memory.cache.add(row);
  }
  for (const row of chain.toReversed()) memory.cache.release(row);
  const prospects = (rowsToCome: number) => () => ({ rowsToCome, rowMs: 20, moveRowMs: 0.006 });
  assert.deepEqual(memory.room(1, prospects(0)), { rows: 1 });
  memory.changed();
  const { layout } = memory.room(1, prospects(100));
  assert.deepEqual([layout!.keep.length, layout!.shelf!.length, memory.pool.shelved], [
    0,
    200,
    200,
  ]);
});
