import assert from "node:assert/strict";
import { roomOf } from "./room_of.ts";

Deno.test("roomOf() counts the rows that windowed layers keep", () => {
  const MIB = 2 ** 20;
  assert.deepEqual(roomOf({ kvBytesPerRow: 1000 }, MIB), { rows: 1048, bytes: MIB });
  const gemma = { kvBytesPerRow: 6000, windowedBytesPerRow: 5000, window: 512 };
  // All rows of a text that is not longer than what the layers have room for.
  assert.equal(roomOf(gemma, 6_000_000).rows, 1000);
  const { rows } = roomOf(gemma, 24_000_000);
  // 1000 bytes a row, and 5000 for 512 + 256 rows and a sixteenth of the rows.
  assert.equal(rows, Math.floor((24_000_000 - 5000 * 768) / (1000 + 5000 / 16)));
  const all = { kvBytesPerRow: 5000, windowedBytesPerRow: 5000, window: 512 };
  assert.ok(roomOf(all, 24_000_000).rows > 60_000);
});

Deno.test("roomOf() tells a finite number of rows of a stage that keeps nothing of them", () => {
  assert.deepEqual(roomOf({ kvBytesPerRow: 0 }, 0), { rows: 2 ** 30, bytes: 0 });
});

Deno.test("roomOf() counts recurrent states beside the rows", () => {
  const states = [{ past: "p", present: "q", dims: [4, 16, 32] as [number, number, number] }];
  const stage = { kvBytesPerRow: 1000, recurrence: { kernel: 4, states } };
  const state = 4 * 16 * 32 * 4;
  assert.equal(roomOf(stage, 100 * 1000 + 3 * state).rows, 100);
  assert.equal(roomOf(stage, 100 * 1000 + 3 * state - 1).rows, 99);
  assert.equal(roomOf(stage, 5000 * 1000 + 17 * state).rows, 5000);
});
