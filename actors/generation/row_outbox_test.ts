import assert from "node:assert/strict";
import { dropSchema, rowsSchema } from "../arbiter/messages.ts";
import { type NewRow, RowOutbox } from "./row_outbox.ts";

const row = (token: number, parent: number, kind: NewRow["kind"], chance?: number): NewRow => ({
  token,
  position: token,
  parent,
  want: kind !== "prefill",
  kind,
  chance,
});

Deno.test("RowOutbox.take() sends drops first, then rows by kind with numbers in order, those of one turn together", () => {
  const outbox = new RowOutbox("d/generation/g");
  outbox.begin(40);
  assert.equal(outbox.add(row(1, 39, "decode")), 40);
  assert.equal(outbox.add(row(2, 40, "draft", 0.5)), 41);
  assert.equal(outbox.add(row(3, 41, "draft", 0.25)), 42);
  outbox.drop(17);
  const [drop, decode, draft, ...rest] = outbox.take();
  assert.deepEqual(rest, []);
  assert.deepEqual(dropSchema.parse(drop).rows, Int32Array.of(17));
  assert.deepEqual(rowsSchema.parse(decode), {
    generation: "d/generation/g",
    first: 40,
    tokens: Int32Array.of(1),
    positions: Int32Array.of(1),
    parents: Int32Array.of(39),
    want: Int32Array.of(0),
    kind: "decode",
    more: true,
  });
  const drafts = rowsSchema.parse(draft);
  assert.deepEqual([drafts.first, drafts.more, drafts.chance], [
    41,
    undefined,
    Float32Array.of(0.5, 0.25),
  ]);
  assert.deepEqual(outbox.take(), []);
  assert.equal(outbox.add(row(4, 40, "prefill")), 43);
  const [next] = outbox.take();
  assert.deepEqual([next.first, next.want], [43, new Int32Array(0)]);
});

Deno.test("RowOutbox.take() sends which drafts have come true before the rows that follow, or alone", () => {
  const outbox = new RowOutbox("d/generation/g");
  outbox.begin(40);
  outbox.certain(17);
  const [alone, ...rest] = outbox.take();
  assert.deepEqual(rest, []);
  const told = rowsSchema.parse(alone);
  assert.deepEqual([told.certain, told.tokens, told.more], [
    Int32Array.of(17),
    new Int32Array(0),
    undefined,
  ]);
  outbox.certain(17);
  outbox.add(row(1, 17, "decode"));
  const [first, second] = outbox.take().map((message) => rowsSchema.parse(message));
  assert.deepEqual([first.certain, first.more], [Int32Array.of(17), true]);
  assert.deepEqual([second.first, second.certain, second.tokens], [
    40,
    undefined,
    Int32Array.of(1),
  ]);
  assert.deepEqual(outbox.take(), []);
});

Deno.test("RowOutbox.take() says how large frames of drafts may be, as the newest draft says", () => {
  const outbox = new RowOutbox("d/generation/g");
  outbox.begin(40);
  outbox.add({ ...row(1, 39, "draft", 0.9), frame: 5 });
  outbox.add({ ...row(2, 40, "draft", 0.8), frame: 3 });
  assert.equal(rowsSchema.parse(outbox.take()[0]).frame_rows, 3);
});

Deno.test("RowOutbox.take() keeps rows that wait for masks and those behind them, and tells masks once", () => {
  const outbox = new RowOutbox("d/generation/g");
  outbox.begin(40);
  outbox.add({ ...row(1, 39, "decode"), mask: "waits" });
  outbox.add({ ...row(2, 40, "draft", 0.5), mask: 7 });
  outbox.add({ ...row(3, 41, "draft", 0.25), mask: "waits" });
  assert.deepEqual(outbox.take(), []);
  outbox.announce({ id: 7, bits: Uint8Array.of(1, 2) });
  outbox.masked(40, -1);
  outbox.masked(99, 7);
  const [told, decode, draft, ...rest] = outbox.take().map((message) => rowsSchema.parse(message));
  assert.deepEqual(rest, []);
  assert.deepEqual([told.masks, told.more], [[{ id: 7, bits: Uint8Array.of(1, 2) }], true]);
  assert.deepEqual([decode.first, decode.want_masks], [40, undefined]);
  assert.deepEqual([draft.first, draft.want_masks, draft.more], [41, Int32Array.of(7), undefined]);
  outbox.dropMask(7);
  outbox.certain(42);
  assert.deepEqual(outbox.take(), [], "a row that waits may name the mask yet");
  outbox.masked(42, 7);
  outbox.releasePrompt(-1);
  const [last, late] = outbox.take().map((message) => rowsSchema.parse(message));
  assert.deepEqual([last.drop_masks, last.prompt_mask], [undefined, -1]);
  assert.deepEqual([late.kind, late.want_masks], ["decode", Int32Array.of(7)], "it came true here");
  assert.deepEqual(late.drop_masks, [7], "with the last message that may name it");
});

Deno.test("RowOutbox.drop() takes back rows that were not sent, with what hangs on them", () => {
  const outbox = new RowOutbox("d/generation/g");
  outbox.begin(40);
  for (const parent of [39, 40, 41, 40]) outbox.add(row(1, parent, "draft"));
  outbox.drop(41);
  const messages = outbox.take().map((message) => rowsSchema.parse(message));
  assert.deepEqual(messages.map(({ first, more }) => [first, more]), [[40, true], [43, undefined]]);
});

Deno.test("RowOutbox.drop() takes back rows that wait and hang on sent descendants of the row", () => {
  const outbox = new RowOutbox("d/generation/g");
  outbox.begin(40);
  for (const parent of [39, 40]) outbox.add(row(1, parent, "draft"));
  outbox.take(); // 40 and 41 are sent
  for (const parent of [41, 42]) outbox.add({ ...row(1, parent, "draft"), mask: "waits" });
  outbox.drop(40, [40, 41, 42, 43]);
  outbox.add(row(1, 39, "decode"));
  const [drop, decode] = outbox.take();
  assert.deepEqual(dropSchema.parse(drop).rows, Int32Array.of(40));
  assert.equal(rowsSchema.parse(decode).first, 44);
});
