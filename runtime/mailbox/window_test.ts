import assert from "node:assert/strict";
import type { Envelope } from "../../actors/mod.ts";
import { encodeEnvelope } from "./wire.ts";
import { ResendWindow } from "./window.ts";

function add(window: ResendWindow, id: number, bytes = 0, signal?: AbortSignal): Promise<void> {
  const envelope: Envelope = { kind: "reply", id, body: new Uint8Array(bytes) };
  return window.add(encodeEnvelope(envelope, 1 << 30), signal, () => {});
}

function drain(window: ResendWindow): number[] {
  const seqs: number[] = [];
  for (let entry = window.next(); entry; entry = window.next()) seqs.push(entry.seq);
  return seqs;
}

Deno.test("ResendWindow.rewind() gives out again exactly what was not received", async () => {
  const window = new ResendWindow({ windowBytes: 1 << 20, windowMessages: 100 });
  for (let id = 0; id < 10; id++) await add(window, id);
  assert.deepEqual(drain(window), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  window.acknowledge(3);
  assert.equal(window.base, 4);
  assert.equal(window.rewind(6), 4);
  assert.deepEqual(drain(window), [7, 8, 9, 10]);
  await add(window, 10);
  assert.deepEqual(drain(window), [11]);
  assert.deepEqual([5, 6, 11, 12].map((seq) => window.plausible(seq)), [false, true, true, false]);
});

Deno.test("ResendWindow.add() waits on bytes as well as on number, but lets one large message through", async () => {
  const window = new ResendWindow({ windowBytes: 1000, windowMessages: 100 });
  await add(window, 0, 5000);
  let admitted = false;
  const waiting = add(window, 1, 10).then(() => admitted = true);
  await Promise.resolve();
  assert.equal(admitted, false);
  assert.equal(window.waiting, 1);
  window.acknowledge(1);
  await waiting;
  assert.equal(window.size, 1);
  assert.ok(window.bytes < 100);
});

Deno.test("ResendWindow.add() admits those behind a large message, when that is given up", async () => {
  const window = new ResendWindow({ windowBytes: 1000, windowMessages: 100 });
  await add(window, 0, 500);
  const controller = new AbortController();
  const large = add(window, 1, 5000, controller.signal);
  const small = add(window, 2, 10);
  controller.abort(new Error("enough"));
  await assert.rejects(large, /enough/);
  await small;
  assert.deepEqual(drain(window), [1, 2]);
});

Deno.test("ResendWindow.reset() returns the unacknowledged, rejects the waiting and starts at seq 1", async () => {
  const window = new ResendWindow({ windowBytes: 1 << 20, windowMessages: 2 });
  await add(window, 0);
  await add(window, 1);
  const waiting = add(window, 2);
  window.acknowledge(1);
  await waiting;
  const rejected = assert.rejects(add(window, 3), /gone/);
  const undelivered = window.reset(new Error("gone"));
  await rejected;
  assert.deepEqual(undelivered.map((envelope) => "id" in envelope && envelope.id), [1, 2]);
  await add(window, 4);
  assert.deepEqual(drain(window), [1]);
});

Deno.test("ResendWindow.next() keeps its order over many acknowledgements", async () => {
  const window = new ResendWindow({ windowBytes: 1 << 30, windowMessages: 50 });
  const seen: number[] = [];
  for (let id = 1; id <= 5000; id++) {
    void add(window, id);
    seen.push(...drain(window));
    if (id % 37 === 0) window.acknowledge(seen[seen.length - 1]);
  }
  for (; window.size > 0; seen.push(...drain(window))) window.acknowledge(seen[seen.length - 1]);
  await window.written();
  assert.deepEqual(seen, Array.from({ length: 5000 }, (_, i) => i + 1));
});
