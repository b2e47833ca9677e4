import assert from "node:assert/strict";
import { type Frame, type FrameRows, fromFloat32, type Tensor } from "../../actors/pipeline/mod.ts";
import { hasCode } from "../../actors/system/errors.ts";
import { checkArrays, checkRows } from "./frame_check.ts";
import { Slots } from "./slots.ts";

const ints = (...values: number[]) => Int32Array.from(values);

/** Two rows on the row in slot 0; the second one is wanted. */
const frame: Frame = {
  arena: "a",
  seq: 0,
  base: 1,
  tokens: ints(3, 4),
  positions: ints(1, 2),
  parents: ints(0, 1),
  want: ints(1),
  want_samplers: ints(0),
};
const WIDTH = 3;
const first = { first: true, hidden: WIDTH };
const later = { first: false, hidden: WIDTH };

/** Checks that `check` throws `bad_frame` with this metadata. */
function refuses(check: () => void, metadata: Record<string, unknown>, message: RegExp): void {
  assert.throws(check, (e) => {
    assert.ok(hasCode(e, "bad_frame"), String(e));
    assert.deepEqual(e.metadata, metadata);
    assert.match(e.message, message);
    return true;
  });
}

Deno.test("checkArrays() refuses row arrays that do not agree in length", () => {
  const lengths = /one length, got 2, 1, 2/;
  refuses(() => checkArrays({ ...frame, positions: ints(1) }, first), {}, lengths);
  refuses(() => checkArrays({ ...frame, want_samplers: ints() }, first), {}, /want_samplers 0/);
  const none = ints();
  const empty = { tokens: none, positions: none, parents: none, want: none, want_samplers: none };
  refuses(() => checkArrays({ ...frame, ...empty }, first), {}, /no rows/);
});

Deno.test("checkArrays() wants hidden states in f32 for each row, and none in the first stage", () => {
  const hidden = (dtype: Tensor["dtype"], bytes: number): Frame => ({
    ...frame,
    hidden: { dtype, shape: [2, WIDTH], data: new Uint8Array(bytes) },
  });
  checkArrays(frame, first);
  checkArrays({ ...frame, hidden: fromFloat32([2, WIDTH], new Float32Array(6)) }, later);
  refuses(() => checkArrays(frame, later), {}, /f32 \(2, 3\) = 24 bytes, got none/);
  refuses(() => checkArrays(hidden("f32", 20), later), {}, /got f32 \(2,3\) = 20 bytes/);
  refuses(() => checkArrays(hidden("f16", 24), later), {}, /got f16/);
  refuses(() => checkArrays(hidden("f32", 24), first), {}, /takes tokens/);
});

Deno.test("checkRows() refuses what the model or the arena cannot take, and changes nothing", () => {
  const slots = new Slots(8);
  slots.write({ base: 0, tokens: ints(1), positions: ints(0), parents: ints(-1) });
  const load = (isFirst: boolean) => ({
    graph: { first: isFirst },
    geometry: { context: 10, vocab: 5 },
  });
  const check = (part: Partial<FrameRows>, isFirst = true) =>
    checkRows({ ...frame, ...part }, slots, load(isFirst));
  check({});
  refuses(() => check({ positions: ints(1, 10) }), { row: 1, context: 10 }, /are 0 to 9/);
  refuses(() => check({ positions: ints(-1, 2) }), { row: 0, slot: 1 }, /row 0 has position -1/);
  refuses(() => check({ tokens: ints(5, 0) }), { row: 0, vocab: 5 }, /vocabulary has 5/);
  refuses(() => check({ tokens: ints(0, -1) }), { row: 1, vocab: 5 }, /token -1/);
  refuses(() => check({ want: ints(2) }), { row: 2 }, /row 2 of 2/);
  refuses(() => check({ parents: ints(0, 2) }), { row: 1, slot: 2 }, /parent slot 2/);
  refuses(() => check({ base: 3, parents: ints(2, 3) }), { slot: 3 }, /slot 2, which holds no row/);
  assert.throws(
    () => check({ base: 7, parents: ints(0, 7) }),
    (e) => hasCode(e, "arena_full") && e.metadata.needed === 9,
  );
  check({ tokens: ints(5, -1) }, false); // a later stage does not embed the tokens
  check({});
});
