import assert from "node:assert/strict";
import { SendOrder } from "./send_order.ts";

Deno.test("SendOrder.run() begins a send when the one before it has ended, however it ended", async () => {
  const order = new SendOrder();
  const done: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = order.run("a", "b", async () => {
    await gate.promise;
    done.push("first");
    throw new Error("lost");
  });
  const second = order.run("a", "b", () => Promise.resolve(void done.push("second")));
  await order.run("a", "c", () => Promise.resolve(void done.push("another receiver")));
  assert.deepEqual(done, ["another receiver"]);
  assert.equal(order.idle("a", "b"), false);
  gate.resolve();
  await assert.rejects(first, /lost/);
  await second;
  assert.deepEqual(done, ["another receiver", "first", "second"]);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(order.idle("a", "b"), true);
});
