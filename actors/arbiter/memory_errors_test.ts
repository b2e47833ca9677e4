import assert from "node:assert/strict";
import { samplingSchema } from "../pipeline/mod.ts";
import { Memory } from "./memory.ts";
import { outOfMemory, tooLarge } from "./memory_errors.ts";

const open = (prompt: number, max_rows: number) => ({
  generation: "d/generation/g",
  prompt: new Int32Array(prompt),
  sampling: samplingSchema.parse({}),
  max_rows,
  reuse: true,
});

Deno.test("tooLarge() refuses a request that can never fit, with its rows and the stages'", () => {
  assert.equal(tooLarge(open(10, 1024), 1024), undefined);
  const refused = tooLarge(open(10, 1025), 1024)!;
  assert.equal(refused.code, "too_many_rows");
  assert.deepEqual(refused.metadata, { rows: 1025, capacity_rows: 1024 });
  assert.equal(tooLarge(open(2000, 10), 1024)!.metadata!.rows, 2000, "the prompt counts whole");
});

Deno.test("outOfMemory() says what the arena holds, and what a stage said when it refused more", () => {
  const memory = new Memory({ capacityRows: 1024, now: () => 0, replyTo: "", wire: "f32" });
  memory.open(200, 1);
  memory.sent(0);
  memory.answered(0);
  assert.match(outOfMemory(open(10, 90), memory).message, /holds 256 of at most 1024 rows$/);
  memory.room(300);
  memory.sent(1);
  memory.refuse({
    group: "engine",
    code: "arena_memory",
    message: "no memory for 512 rows",
    metadata: { budget: 300 },
  });
  const { message, metadata } = outOfMemory(open(10, 90), memory);
  assert.match(message, /a stage said: no memory for 512 rows$/);
  assert.deepEqual(metadata, { capacity_rows: 256, max_rows: 90, budget: 300 });
});
