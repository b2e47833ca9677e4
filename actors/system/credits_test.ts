import assert from "node:assert/strict";
import { ReceiverCredits, REMOTE_WINDOW, SenderCredits } from "./credits.ts";
import { peerLost } from "./refusals.ts";

const TO = "d/kind/a";

Deno.test("SenderCredits.take() waits when the window is used up, until give()", async () => {
  const credits = new SenderCredits();
  for (let i = 0; i < REMOTE_WINDOW; i++) await credits.take("n", TO);
  let taken = false;
  const waiting = credits.take("n", TO).then(() => taken = true);
  await Promise.resolve();
  assert.equal(taken, false);
  credits.give("n", TO, 1);
  await waiting;
  assert.equal(credits.open, 1);
  credits.give("n", TO, REMOTE_WINDOW);
  assert.equal(credits.open, 0, "a channel with all its credit is forgotten");
});

Deno.test("SenderCredits.take() rejects when the node is lost, and with the signal's reason", async () => {
  const credits = new SenderCredits();
  for (let i = 0; i < REMOTE_WINDOW; i++) await credits.take("n", TO);
  const abort = new AbortController();
  const given = assert.rejects(credits.take("n", TO, abort.signal), /enough/);
  abort.abort(new Error("enough"));
  await given;
  const lost = assert.rejects(credits.take("n", TO), /n is gone/);
  credits.lost("n", peerLost("n", "test"));
  await lost;
  assert.equal(credits.open, 0);
});

Deno.test("ReceiverCredits.taken() gives credit back half a window at a time", () => {
  const credits = new ReceiverCredits();
  const given = Array.from({ length: REMOTE_WINDOW }, () => credits.taken("n", TO));
  const half = REMOTE_WINDOW / 2;
  assert.deepEqual(given.map((n, i) => n > 0 ? [i + 1, n] : []).flat(), [
    half,
    half,
    REMOTE_WINDOW,
    half,
  ]);
});

Deno.test("ReceiverCredits.settle() returns what each node is still owed, once", () => {
  const credits = new ReceiverCredits();
  for (let i = 0; i < 3; i++) credits.taken("n", TO);
  credits.taken("m", TO);
  credits.lost("m");
  assert.deepEqual([...credits.settle(TO)], [["n", 3]]);
  assert.deepEqual([...credits.settle(TO)], []);
});

Deno.test("SenderCredits.tryTake() takes what take() would take at once, and nothing else", async () => {
  const credits = new SenderCredits();
  for (let i = 0; i < REMOTE_WINDOW; i++) assert.equal(credits.tryTake("n", TO), true);
  assert.equal(credits.tryTake("n", TO), false);
  const waiting = credits.take("n", TO);
  credits.give("n", TO, 1);
  await waiting;
  assert.equal(credits.tryTake("n", TO), false, "the credit went to the send that waited");
  assert.equal(credits.tryTake("m", TO), false, "the actor has moved: take() starts a new count");
  credits.give("n", TO, 2);
  assert.equal(credits.tryTake("n", TO), true);
});
