import assert from "node:assert/strict";
import { carryOver, dequantise, GGUF_TYPES, isCarried } from "./gguf_quant.ts";

const FIXTURE: Record<string, { blocks: string; values: string }> = JSON.parse(
  await Deno.readTextFile(new URL("../../tests/fixtures/gguf/blocks.json", import.meta.url)),
);

const COUNT = 768;

function fixture(type: string): { blocks: Uint8Array<ArrayBuffer>; values: Float32Array } {
  const { blocks, values } = FIXTURE[type];
  return {
    blocks: Uint8Array.fromBase64(blocks),
    values: new Float32Array(Uint8Array.fromBase64(values).buffer),
  };
}

Deno.test("blocks.json holds blocks of every type that is read", () => {
  assert.deepEqual(Object.keys(FIXTURE).sort(), [...GGUF_TYPES].sort());
});

for (const type of GGUF_TYPES) {
  Deno.test(`dequantise() of ${type} gives exactly the values of gguf-py`, () => {
    const { blocks, values } = fixture(type);
    assert.equal(values.length, COUNT);
    assert.deepEqual(dequantise(type, blocks, COUNT), values);
  });
}

const CARRIED = [
  ["Q4_0", "q4"],
  ["Q4_0", "q8"],
  ["Q8_0", "q8"],
  ["IQ4_NL", "q8"],
  ["IQ4_XS", "q8"],
  ["MXFP4", "q8"],
] as const;

for (const [type, format] of CARRIED) {
  Deno.test(`carryOver() of ${type} to ${format} keeps every value`, () => {
    const { blocks, values } = fixture(type);
    const { codes, scales } = carryOver(type, format, blocks);
    const restored = Float32Array.from({ length: COUNT }, (_, i) => {
      const code = format === "q8" ? codes[i] - 128 : (codes[i >> 1] >> 4 * (i & 1) & 15) - 8;
      return code * scales[i >> 5];
    });
    assert.deepEqual(restored.map((x) => x + 0), values.map((x) => x + 0));
    assert.ok(isCarried(type, format));
  });
}

Deno.test("isCarried() refuses what our layouts cannot hold", () => {
  assert.equal(isCarried("Q8_0", "q4"), false);
  assert.equal(isCarried("Q4_1", "q4"), false);
  assert.equal(isCarried("MXFP4", "q4"), false);
  assert.equal(isCarried("Q4_0", "f16"), false);
});
