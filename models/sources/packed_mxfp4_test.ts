import assert from "node:assert/strict";
import { fromMxfp4, mxfp4AsQ8, packMxfp4 } from "./packed_mxfp4.ts";
import type { PlacedTensor } from "./placed_tensor.ts";

const codes = Uint8Array.from({ length: 16 }, (_, i) => (2 * i % 16) | ((2 * i + 1) % 16) << 4);

Deno.test("fromMxfp4() gives the 16 values of e2m1 times a power of two", () => {
  const values = fromMxfp4({ codes, scales: Uint8Array.of(126) });
  const positive = [0, 0.5, 1, 1.5, 2, 3, 4, 6].map((v) => v / 2);
  assert.deepEqual([...values.subarray(0, 8)], positive);
  assert.deepEqual([...values.subarray(9, 16)], positive.slice(1).map((v) => -v));
  assert.deepEqual(values.subarray(17), values.subarray(1, 16));
});

Deno.test("mxfp4AsQ8() holds the values exactly, at the smallest and largest scales too", () => {
  for (const scale of [0, 1, 127, 200, 254]) {
    const block = { codes, scales: Uint8Array.of(scale) };
    const q8 = mxfp4AsQ8(block);
    const read = Float32Array.from(q8.codes, (code) => (code - 128) * q8.scales[0]);
    assert.deepEqual([...read].map((v) => v + 0), [...fromMxfp4(block)].map((v) => v + 0));
  }
});

Deno.test("packMxfp4() pairs blocks with scales of their shape only", () => {
  const at = (dtype: string, shape: number[]): PlacedTensor => {
    return { dtype, shape, file: "f", bytes: shape.reduce((a, b) => a * b), offset: 8 };
  };
  const tensors = new Map([
    ["a_blocks", at("U8", [2, 3, 4, 16])],
    ["a_scales", at("U8", [2, 3, 4])],
    ["b_blocks", at("U8", [2, 3, 4, 16])],
    ["b_scales", at("U8", [2, 3, 5])],
    ["c_blocks", at("BF16", [2, 16])],
    ["c_scales", at("BF16", [2])],
  ]);
  packMxfp4(tensors);
  assert.deepEqual(tensors.get("a")?.shape, [2, 3, 128]);
  assert.equal(tensors.get("a")?.bytes, 24 * 17);
  assert.deepEqual([tensors.has("b"), tensors.has("c")], [false, false]);
});
