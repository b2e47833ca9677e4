import assert from "node:assert/strict";
import { Mailbox } from "./mailbox.ts";

Deno.test("Mailbox.take() gives urgent messages first, and each kind in the order of arrival", () => {
  const mailbox = new Mailbox<string>(8);
  mailbox.put("a");
  mailbox.put("b");
  mailbox.put("!", true);
  mailbox.put("?", true);
  assert.equal(mailbox.size, 4);
  assert.deepEqual([1, 2, 3, 4, 5].map(() => mailbox.take()), ["!", "?", "a", "b", undefined]);
});

Deno.test("Mailbox.offer() waits when the mailbox is full, until take() makes room", async () => {
  const mailbox = new Mailbox<number>(1);
  await mailbox.offer(1);
  const placed: number[] = [];
  const waiting = [2, 3].map((n) => mailbox.offer(n).then(() => placed.push(n)));
  await Promise.resolve();
  assert.deepEqual([mailbox.size, mailbox.waiting, placed], [1, 2, []]);
  assert.equal(mailbox.take(), 1);
  await waiting[0];
  assert.deepEqual([mailbox.size, mailbox.waiting, placed], [1, 1, [2]]);
  assert.equal(mailbox.take(), 2);
  await waiting[1];
  assert.equal(mailbox.take(), 3);
});

Deno.test("Mailbox.offer() rejects with the signal's reason and leaves nothing behind", async () => {
  const mailbox = new Mailbox<number>(1);
  mailbox.put(1);
  const abort = new AbortController();
  const offered = mailbox.offer(2, abort.signal);
  abort.abort(new Error("enough"));
  await assert.rejects(offered, /enough/);
  assert.deepEqual([mailbox.take(), mailbox.take(), mailbox.waiting], [1, undefined, 0]);
});

Deno.test("Mailbox.drain() returns every message and lets waiting senders go", async () => {
  const mailbox = new Mailbox<number>(1);
  mailbox.put(1);
  mailbox.put(0, true);
  const waiting = mailbox.offer(2);
  assert.deepEqual(mailbox.drain(), [0, 1, 2]);
  await waiting;
  assert.equal(mailbox.size, 0);
});
