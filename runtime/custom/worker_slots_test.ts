import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { WorkerSlots } from "./worker_slots.ts";

Deno.test("WorkerSlots.enter() has the one make room whose last message is longest ago", async () => {
  const slots = new WorkerSlots(2);
  const ended: string[] = [];
  const enter = async (name: string, keeps = true) => {
    const slot = await slots.enter({
      name,
      mayEnd: () => keeps,
      end() {
        ended.push(name);
        setTimeout(() => slot.leave(), 1);
      },
    });
    return slot;
  };
  const a = await enter("a");
  const b = await enter("b");
  a.work()(); // `a` has had a message since
  await enter("c");
  assert.deepEqual(ended, ["b"]);
  const over = a.work();
  await enter("d");
  assert.deepEqual(ended, ["b", "c"], "`a` has something to do");
  over();
  b.leave(); // again: it has no place to give back
  await Promise.all([enter("e", false), enter("f", false)]);
  assert.deepEqual(ended.slice(2).sort(), ["a", "d"]);
  await assert.rejects(enter("g"), (error) => hasCode(error, "too_many_workers"));
});
