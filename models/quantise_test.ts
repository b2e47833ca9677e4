import assert from "node:assert/strict";
import { seededRandom } from "../actors/mod.ts";
import { BLOCK } from "./manifest.ts";
import {
  blocksOf,
  type QuantisedRows,
  quantiseQ4,
  quantiseQ8,
  SYMMETRIC_PAIR,
} from "./quantise.ts";

const nibble = (bytes: Uint8Array, at: number) => (bytes[at >> 1] >> (4 * (at & 1))) & 15;

function room(rows: number, inputs: number, bits: 4 | 8, block = BLOCK): QuantisedRows {
  const blocks = blocksOf(inputs, block);
  return {
    block,
    codes: new Uint8Array(rows * blocks * block * bits / 8),
    scales: new Float32Array(rows * blocks),
    zeros: new Uint8Array(rows * Math.ceil(blocks / 2)).fill(SYMMETRIC_PAIR),
  };
}

/** Values of q4 rows [rows, blocks * block], the padding included. */
function dequantise(
  { block: size, codes, scales, zeros }: QuantisedRows,
  rows: number,
  inputs: number,
): Float64Array {
  const blocks = blocksOf(inputs, size);
  const zeroBytes = Math.ceil(blocks / 2);
  return Float64Array.from({ length: rows * blocks * size }, (_, i) => {
    const block = Math.floor(i / size), row = Math.floor(block / blocks);
    const zero = nibble(zeros.subarray(row * zeroBytes), block % blocks);
    return (nibble(codes, i) - zero) * scales[block];
  });
}

const squares = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);

/** Squared error of rounding a block to max|x| / 7, and of rounding lo..hi over 15 steps. */
function plainErrors(block: Float32Array): [number, number] {
  const most = Math.max(...block.map(Math.abs)),
    low = Math.min(0, ...block),
    high = Math.max(0, ...block);
  const step = (high - low) / 15, zero = Math.round(-low / step);
  const clamp = (code: number) => Math.max(0, Math.min(15, code));
  return [
    squares(block, block.map((x) => (clamp(Math.round(x / (most / 7)) + 8) - 8) * most / 7)),
    squares(block, block.map((x) => (clamp(Math.round(x / step) + zero) - zero) * step)),
  ];
}

Deno.test("quantiseQ4() errs less than plain rounding, symmetric or not, on blocks of any skew", () => {
  const random = seededRandom(7);
  let [ours, symmetric, asymmetric] = [0, 0, 0];
  for (let n = 0; n < 400; n++) {
    const skew = (n % 5) / 2;
    const block = Float32Array.from(
      { length: BLOCK },
      () => random() + random() + random() - 1.5 + skew,
    );
    const into = room(1, BLOCK, 4);
    quantiseQ4(block, BLOCK, 0, into);
    const plain = plainErrors(block);
    const error = squares(block, dequantise(into, 1, BLOCK));
    assert.ok(error <= Math.min(...plain) * 1.3, `block ${n}: ${error} against ${plain}`);
    ours += error;
    symmetric += plain[0];
    asymmetric += plain[1];
  }
  assert.ok(
    ours < 0.95 * asymmetric && ours < 0.6 * symmetric,
    `${ours}, ${asymmetric}, ${symmetric}`,
  );
});

Deno.test("quantiseQ4() gives a skewed block its own zero point and its symmetric neighbour 8", () => {
  const values = new Float32Array(3 * BLOCK);
  for (let i = 0; i < BLOCK; i++) {
    values[i] = (i % 16 - 8) * 0.5;
    values[BLOCK + i] = 1 + i / BLOCK;
    values[2 * BLOCK + i] = (i % 16 - 8) * -0.25;
  }
  const into = room(1, values.length, 4);
  assert.equal(quantiseQ4(values, values.length, 0, into), true);
  assert.deepEqual([0, 1, 2].map((block) => nibble(into.zeros, block)), [8, 0, 8]);
  const back = dequantise(into, 1, values.length);
  assert.deepEqual([...back.slice(0, BLOCK)], [...values.slice(0, BLOCK)]);
  assert.ok(squares(values, back) < 0.1);
});

Deno.test("quantiseQ4() keeps the values of Q4_0 blocks and reports none as asymmetric", () => {
  const values = Float32Array.from({ length: 4 * BLOCK }, (_, i) => ((i * 7) % 16 - 8) * 0.03125);
  const into = room(2, 2 * BLOCK, 4);
  assert.equal(quantiseQ4(values, 2 * BLOCK, 0, into), false);
  assert.deepEqual([...dequantise(into, 2, 2 * BLOCK)], [...values]);
  assert.ok(into.zeros.every((byte) => byte === SYMMETRIC_PAIR));
});

Deno.test("quantiseQ4() gives the same bytes whether rows come at once or in pieces", () => {
  const random = seededRandom(3);
  const [rows, inputs] = [6, 80];
  const values = Float32Array.from({ length: rows * inputs }, () => random() - 0.3);
  for (const block of [16, 32, 64, 128]) {
    const whole = room(rows, inputs, 4, block), parts = room(rows, inputs, 4, block);
    quantiseQ4(values, inputs, 0, whole);
    const rowBytes = whole.codes.length / rows;
    for (const [first, count] of [[0, 1], [1, 3], [4, 2]]) {
      const codes = parts.codes.subarray(first * rowBytes, (first + count) * rowBytes);
      quantiseQ4(values.subarray(first * inputs, (first + count) * inputs), inputs, first, {
        ...parts,
        codes,
      });
    }
    assert.deepEqual(parts, whole);
    const padded = blocksOf(inputs, block) * block;
    const padding = dequantise(whole, rows, inputs).filter((_, i) => i % padded >= inputs);
    assert.ok(padding.every((value) => value === 0));
  }
});

Deno.test("quantiseQ4() and quantiseQ8() err less with smaller blocks", () => {
  const random = seededRandom(11);
  const [rows, inputs] = [8, 256];
  const values = Float32Array.from(
    { length: rows * inputs },
    () => random() + random() + random() - 1.5,
  );
  const errors = [16, 32, 64, 128, 256].map((block) => {
    const q4 = room(rows, inputs, 4, block), q8 = room(rows, inputs, 8, block);
    quantiseQ4(values, inputs, 0, q4);
    quantiseQ8(values, inputs, 0, q8);
    const back = Float64Array.from(
      q8.codes,
      (code, i) => (code - 128) * q8.scales[Math.floor(i / block)],
    );
    return [squares(values, dequantise(q4, rows, inputs)), squares(values, back)];
  });
  for (let i = 1; i < errors.length; i++) {
    assert.ok(errors[i - 1][0] < errors[i][0] && errors[i - 1][1] < errors[i][1], `${errors}`);
  }
});

Deno.test("quantiseQ4() and quantiseQ8() keep zeros, constants and tiny values finite", () => {
  for (const value of [0, 3, -3, 1e-42, -1e30]) {
    const values = new Float32Array(BLOCK).fill(value);
    const q4 = room(1, BLOCK, 4), q8 = room(1, BLOCK, 8);
    quantiseQ4(values, BLOCK, 0, q4);
    quantiseQ8(values, BLOCK, 0, q8);
    const size = Math.abs(values[0]);
    for (const back of dequantise(q4, 1, BLOCK)) {
      assert.ok(Math.abs(back - values[0]) <= size * 1e-6 + 1e-44);
    }
    for (const code of q8.codes) {
      assert.ok(Math.abs((code - 128) * q8.scales[0] - values[0]) <= size * 1e-2 + 1e-44);
    }
  }
});
