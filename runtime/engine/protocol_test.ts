import assert from "node:assert/strict";
import { type Frame, fromFloat32 } from "../../actors/pipeline/mod.ts";
import { packFrame, unpackRows } from "./protocol.ts";

const frame: Frame = {
  arena: "a",
  seq: 3,
  drop_samplers: [2],
  base: 4,
  tokens: Int32Array.of(7, 8, 9),
  positions: Int32Array.of(4, 5, 6),
  parents: Int32Array.of(3, 4, 5),
  want: Int32Array.of(1, 2),
  want_samplers: Int32Array.of(0, 6),
};

Deno.test("unpackRows() gives back the row arrays that packFrame() packed", () => {
  const { packed, transfer } = packFrame(frame);
  const { base, tokens, positions, parents, want, want_samplers } = frame;
  assert.deepEqual(unpackRows(packed), { base, tokens, positions, parents, want, want_samplers });
  assert.deepEqual([packed.arena, packed.rows, packed.drop_samplers], ["a", 3, [2]]);
  assert.equal(packed.hidden, undefined);
  assert.deepEqual(transfer, [packed.ints.buffer]);
});

Deno.test("unpackRows() gives back a frame that wants nothing", () => {
  const none = new Int32Array(0);
  const { want, want_samplers, tokens } = unpackRows(
    packFrame({ ...frame, want: none, want_samplers: none }).packed,
  );
  assert.deepEqual([want, want_samplers, tokens], [none, none, frame.tokens]);
});

Deno.test("packFrame() copies hidden states that are a part of a buffer or lie in a shared one", () => {
  const whole = Float32Array.of(1, 2, 3);
  const larger = Float32Array.of(0, 1, 2, 3).subarray(1);
  const shared = new Float32Array(new SharedArrayBuffer(12));
  shared.set(whole);
  for (const [data, copied] of [[whole, false], [larger, true], [shared, true]] as const) {
    const { packed, transfer } = packFrame({ ...frame, hidden: fromFloat32([3, 1], data) });
    assert.deepEqual(packed.hidden, Float32Array.of(1, 2, 3));
    assert.equal(packed.hidden!.buffer !== data.buffer, copied);
    assert.deepEqual(transfer, [packed.ints.buffer, packed.hidden!.buffer]);
  }
});
