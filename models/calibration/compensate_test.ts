import assert from "node:assert/strict";
import { blocksOf, type QuantisedRows, quantiseQ4, SYMMETRIC_PAIR } from "../quantise.ts";
import { quantiseCompensated } from "./compensate.ts";
import { factorOf, type WindowFactor } from "./factor.ts";

const ROWS = 12;

let seed = 7;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5;

/** Rows (count, inputs) whose neighbouring elements are alike, as those of models are. */
function smoothRows(count: number, inputs: number): Float32Array {
  const x = new Float32Array(count * inputs);
  for (let i = 0; i < x.length; i++) {
    x[i] = i % inputs === 0 ? random() : 0.9 * x[i - 1] + 0.5 * random();
  }
  return x;
}

function room(inputs: number, block: number): QuantisedRows {
  const blocks = blocksOf(inputs, block);
  return {
    block,
    codes: new Uint8Array(ROWS * blocks * block / 2),
    scales: new Float32Array(ROWS * blocks),
    zeros: new Uint8Array(ROWS * Math.ceil(blocks / 2)).fill(SYMMETRIC_PAIR),
  };
}

const nibble = (bytes: Uint8Array, from: number, i: number) =>
  (bytes[from + (i >> 1)] >> (4 * (i & 1))) & 15;

/** The stored values f32 (ROWS, inputs). */
function valuesOf({ block, codes, scales, zeros }: QuantisedRows, inputs: number): Float32Array {
  const blocks = blocksOf(inputs, block);
  return Float32Array.from({ length: ROWS * inputs }, (_, at) => {
    const [row, i] = [Math.floor(at / inputs), at % inputs];
    const n = Math.floor(i / block);
    const code = nibble(codes, row * blocks * block / 2, i);
    const zero = nibble(zeros, row * Math.ceil(blocks / 2), n);
    return (code - zero) * scales[row * blocks + n];
  });
}

/** Squared error of the outputs for rows of inputs. */
function outputError(weights: Float32Array, stored: Float32Array, x: Float32Array): number {
  const inputs = weights.length / ROWS;
  let error = 0;
  for (let at = 0; at < x.length; at += inputs) {
    for (let row = 0; row < ROWS; row++) {
      let off = 0;
      for (let i = 0; i < inputs; i++) {
        off += (weights[row * inputs + i] - stored[row * inputs + i]) * x[at + i];
      }
      error += off * off;
    }
  }
  return error;
}

function windowsOf(x: Float32Array, inputs: number, size: number): WindowFactor[] {
  const windows: WindowFactor[] = [];
  for (let first = 0; first < inputs; first += size) {
    const width = Math.min(size, inputs - first);
    const gram = new Float32Array(width * width);
    for (let at = first; at < x.length; at += inputs) {
      for (let i = 0; i < width; i++) {
        for (let j = 0; j < width; j++) gram[i * width + j] += x[at + i] * x[at + j];
      }
    }
    windows.push(factorOf(gram, { first, size: width, rows: x.length / inputs }));
  }
  return windows;
}

for (
  const [inputs, block, window] of [[128, 32, 128], [128, 64, 64], [72, 32, 64], [96, 16, 32]]
) {
  Deno.test(`quantiseCompensated() halves the outputs' error: ${inputs} inputs in blocks of ${block}, windows of ${window}`, () => {
    const weights = Float32Array.from({ length: ROWS * inputs }, random);
    const seen = smoothRows(400, inputs), others = smoothRows(200, inputs);
    const [plain, compensated] = [room(inputs, block), room(inputs, block)];
    quantiseQ4(weights, inputs, 0, plain);
    quantiseCompensated(weights, inputs, 0, compensated, windowsOf(seen, inputs, window));
    const error = (stored: QuantisedRows, x: Float32Array) =>
      outputError(weights, valuesOf(stored, inputs), x);
    for (const x of [seen, others]) {
      const [with_, without] = [error(compensated, x), error(plain, x)];
      assert.ok(with_ < 0.5 * without, `${with_} is not below half of ${without}`);
    }
  });
}

Deno.test("quantiseCompensated() by rows whose inputs go together by chance does no harm to others", () => {
  const [inputs, block] = [128, 32];
  const weights = Float32Array.from({ length: ROWS * inputs }, random);
  const independent = (count: number) => Float32Array.from({ length: count * inputs }, random);
  const others = independent(400);
  const plain = room(inputs, block);
  quantiseQ4(weights, inputs, 0, plain);
  for (const count of [5, 20, 80]) {
    const compensated = room(inputs, block);
    const windows = windowsOf(independent(count), inputs, inputs);
    quantiseCompensated(weights, inputs, 0, compensated, windows);
    const [with_, without] = [compensated, plain].map((stored) =>
      outputError(weights, valuesOf(stored, inputs), others)
    );
    assert.ok(with_ < 1.1 * without, `${with_} is far above ${without} after ${count} rows`);
  }
});

Deno.test("quantiseCompensated() gives what quantiseQ4() gives where inputs are independent", () => {
  const inputs = 64;
  const weights = Float32Array.from({ length: ROWS * inputs }, random);
  weights.fill(0, 32, 64);
  const identity = new Float32Array(inputs * inputs);
  for (let i = 0; i < inputs; i++) identity[i * inputs + i] = 1;
  const [plain, same] = [room(inputs, 32), room(inputs, 32)];
  quantiseQ4(weights, inputs, 0, plain);
  quantiseCompensated(weights, inputs, 0, same, [
    factorOf(identity, { first: 0, size: inputs, rows: inputs }),
  ]);
  // Codes may differ where a value lies between two: they are rounded by the refitted scale.
  assert.deepEqual(same.scales, plain.scales);
  assert.deepEqual(same.zeros, plain.zeros);
  assert.deepEqual(valuesOf(same, inputs).subarray(32, 64), new Float32Array(32));
});

Deno.test("quantiseCompensated() writes each piece of rows to its place", () => {
  const inputs = 64, blocks = 2;
  const weights = Float32Array.from({ length: ROWS * inputs }, random);
  const windows = windowsOf(smoothRows(200, inputs), inputs, inputs);
  const [whole, parts] = [room(inputs, 32), room(inputs, 32)];
  const asymmetric = quantiseCompensated(weights, inputs, 0, whole, windows);
  assert.equal(asymmetric, true);
  for (let row = 0; row < ROWS; row += 4) {
    const codes = parts.codes.subarray(row * blocks * 16, (row + 4) * blocks * 16);
    const some = weights.subarray(row * inputs, (row + 4) * inputs);
    quantiseCompensated(some, inputs, row, { ...parts, codes }, windows);
  }
  assert.deepEqual(parts, whole);
});
