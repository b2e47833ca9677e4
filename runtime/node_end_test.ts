import assert from "node:assert/strict";
import { NodeEnd } from "./node_end.ts";

/** A node whose requests end only when they are told to; `waits`: what it was waited for, in ms. */
function stubborn(running: number) {
  const calls: string[] = [];
  const waits: number[] = [];
  const end = new NodeEnd({});
  end.started({
    gateway: {
      drain: () => void calls.push("drain"),
      idle(ms: number) {
        waits.push(ms);
        return Promise.resolve();
      },
      end() {
        calls.push("end");
        running = 0;
      },
      get running() {
        return running;
      },
    },
    membership: {
      leave(ms: number) {
        calls.push("leave");
        waits.push(ms);
        return Promise.resolve();
      },
    },
    opened: {
      [Symbol.asyncDispose]() {
        calls.push("closed");
        return Promise.resolve();
      },
    },
  });
  return { end, calls, waits };
}

Deno.test("NodeEnd.close() ends requests after ten seconds, and leaves in the time that is left", async () => {
  const { end, calls, waits } = stubborn(8);
  await end.close();
  assert.deepEqual(calls, ["drain", "end", "leave", "closed"]);
  assert.equal(waits[0], 10_000);
  assert.ok(waits[2] > 19_000 && waits[2] <= 30_000);
});

Deno.test("NodeEnd.close() waits no longer than its caller says, and ends nobody who has ended", async () => {
  const { end, calls, waits } = stubborn(0);
  await end.close(2_000);
  assert.deepEqual(calls, ["drain", "leave", "closed"]);
  assert.equal(waits[0], 2_000);
});
