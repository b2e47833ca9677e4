import assert from "node:assert/strict";
import { samplingSchema, shapeSchema } from "../pipeline/mod.ts";
import { load } from "./loading.ts";
import { Memory } from "./memory.ts";
import { ArbiterRequest } from "./request.ts";
import { newRow, type Row } from "./row_pool.ts";
import { reuse } from "./situation.ts";

/** An arena without a free slot, in which a prompt of 10 rows stands on the shelf. */
function fullArena(): Memory {
  const memory = new Memory({ capacityRows: 1024, now: () => 0, replyTo: "", wire: "f32" });
  const { pool, cache } = memory;
  memory.open(256, 1);
  memory.sent(0);
  memory.answered(0);
  const place = (token: number, parent?: Row): Row => {
    const row = newRow(token, parent ? parent.position + 1 : 0, { parent });
    pool.place(row);
    row.done = true;
    return row;
  };
  const prompt: Row[] = [];
  for (let i = 0; i < 10; i++) prompt.push(place(i, prompt.at(-1)));
  for (const row of prompt) assert.ok(cache.add(row));
  for (const row of prompt.toReversed()) cache.release(row);
  let other = place(100);
  pool.arrange((row) => row.users === 0);
  assert.equal(pool.shelved, 10);
  while (pool.room > 0) other = place(100, other);
  assert.equal(pool.holes, 0);
  return memory;
}

Deno.test("load() runs a prompt's rows that stand on the shelf of an arena that was full", () => {
  for (const piece of [1, 4, 64]) {
    const memory = fullArena();
    const prompt = Int32Array.from({ length: 12 }, (_, i) => i);
    const sampling = samplingSchema.parse({});
    const open = { generation: "d/generation/g", prompt, sampling, max_rows: 20, reuse: true };
    const request = new ArbiterRequest(open, { order: 0, shape: shapeSchema.parse({}) });
    const [job] = request.jobs;
    reuse(job, memory.cache);
    assert.equal(job.at, 0, "nothing is found while nothing could come down from the shelf");
    const rows = job.rows.slice(0, piece);
    const room = memory.room(rows.length);
    const carried = load(rows, { room: room.rows, running: [request], memory });
    assert.deepEqual(carried.map(({ pending }) => pending.number), rows.map((p) => p.number));
    for (const { row } of carried) {
      assert.ok(!row.shelved && (row.parent?.slot ?? -1) < row.slot, "parents stand below");
    }
  }
});
