import assert from "node:assert/strict";
import { FrameLog, type FrameTrace } from "./usage.ts";

/** A frame of two rows that each of two stages ran for 10 ms. */
const frame = (seq: number, sent: number, answered: number): FrameTrace => ({
  seq,
  rows: { prefill: 0, decode: 1, draft: 1 },
  requests: ["g"],
  sent,
  answered,
  stages: [0, 1].map((stage) => ({ stage, received: 0, began: 5, ended: 15 })),
});

Deno.test("FrameLog.bubbleShare() counts the stages' idle time while any frame is under way", () => {
  const log = new FrameLog(2);
  log.sent(0);
  log.sent(10);
  log.answered(frame(0, 0, 30));
  log.answered(frame(1, 10, 40));
  assert.equal(log.bubbleShare(1000), 1 - 40 / 80, "nothing was under way from 40 ms on");
  log.sent(100);
  assert.equal(log.bubbleShare(120), 1 - 40 / 120);
  log.lost(140);
  assert.equal(
    log.bubbleShare(500),
    1 - 40 / 160,
    "a frame that was called back was under way too",
  );
  assert.deepEqual([log.frames, log.rows, log.busyMs], [2, 4, 40]);
});

Deno.test("FrameLog.idleShare() stays between 0 and 1, and is 0 where no time has passed", () => {
  const log = new FrameLog(2);
  assert.equal(log.idleShare(10, 0), 0);
  assert.equal(log.idleShare(100, 10), 0);
  assert.equal(log.idleShare(0, 10), 1);
});

Deno.test("FrameLog.traces() remembers the last 512 frames, oldest first", () => {
  const log = new FrameLog(2);
  for (let seq = 0; seq < 600; seq++) {
    log.sent(seq);
    log.answered(frame(seq, seq, seq + 1));
  }
  const traces = log.traces();
  assert.deepEqual([traces.length, traces[0].seq, traces.at(-1)!.seq], [512, 88, 599]);
  assert.equal(log.frames, 600);
});
