import assert from "node:assert/strict";
import type { TensorSpec } from "../arch/mod.ts";
import type { RowPiece, WeightSource } from "../sources/mod.ts";
import { checkTensor, quantisedTensor, readTensor } from "./tensor_parts.ts";

interface Asked {
  shapes: number[][];
  rows: number;
}

/**
 * A source of one tensor [12, 2] with element = 10 * row + column, read in pieces of so many rows.
 */
function source(pieceRows: number, asked: Asked): WeightSource {
  return {
    tensors: new Map(),
    check(_name, shape) {
      asked.shapes.push(shape);
      return { dtype: "F32", shape, file: "model.safetensors", bytes: 96 };
    },
    async *read(_name, shape): AsyncGenerator<RowPiece> {
      asked.shapes.push(shape);
      for (let firstRow = 0; firstRow < 12; firstRow += pieceRows) {
        const rows = Math.min(pieceRows, 12 - firstRow);
        asked.rows += rows;
        await Promise.resolve();
        yield {
          firstRow,
          rows,
          values: Float32Array.from(
            { length: 2 * rows },
            (_, i) => 10 * (firstRow + (i >> 1)) + i % 2,
          ),
        };
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}

const none = (): Asked => ({ shapes: [], rows: 0 });

const part = (firstRow: number, rows: number): TensorSpec => ({
  key: "attn.k",
  name: "fused",
  shape: [rows, 2],
  role: "projection",
  within: { shape: [12, 2], firstRow },
});

Deno.test("readTensor() gives the rows of a part, numbered from 0, for any size of pieces", async () => {
  for (const pieceRows of [1, 2, 3, 5, 12]) {
    for (const [firstRow, rows] of [[0, 4], [4, 3], [7, 5], [0, 12]]) {
      const got: number[] = [];
      for await (
        const piece of readTensor(source(pieceRows, { shapes: [], rows: 0 }), part(firstRow, rows))
      ) {
        assert.equal(piece.firstRow, got.length / 2);
        assert.equal(piece.values.length, 2 * piece.rows);
        got.push(...piece.values);
      }
      const want = Array.from(
        { length: rows },
        (_, i) => [10 * (firstRow + i), 10 * (firstRow + i) + 1],
      );
      assert.deepEqual(
        got,
        want.flat(),
        `rows ${firstRow} and ${rows - 1} more in pieces of ${pieceRows}`,
      );
    }
  }
});

Deno.test("readTensor() turns parts that the checkpoint holds by their columns", async () => {
  const spec: TensorSpec = {
    key: "attn.k_b",
    name: "no tensor",
    shape: [4, 3], // 2 rows of each of two parts
    role: "projections",
    stacked: [1, 8].map((firstRow) => ({
      name: "fused",
      within: { shape: [12, 2], firstRow },
      transposed: true,
    })),
  };
  const asked = none();
  checkTensor(source(5, asked), spec);
  assert.deepEqual(asked.shapes, [[12, 2], [12, 2]]);
  for (const pieceRows of [1, 5, 12]) {
    const pieces: RowPiece[] = [];
    for await (const piece of readTensor(source(pieceRows, none()), spec)) pieces.push(piece);
    assert.deepEqual(pieces.map(({ firstRow, rows }) => [firstRow, rows]), [[0, 2], [2, 2]]);
    assert.deepEqual(pieces.flatMap(({ values }) => [...values]), [
      ...[10, 20, 30, 11, 21, 31],
      ...[80, 90, 100, 81, 91, 101],
    ]);
  }
  const quantised = { ...source(12, none()), quantised: () => assert.fail("codes are not turned") };
  assert.equal(quantisedTensor(quantised, spec, "q8"), undefined);
});

Deno.test("readTensor() stops reading after the part's last row", async () => {
  const asked = { shapes: [], rows: 0 };
  for await (const _ of readTensor(source(2, asked), part(2, 2)));
  assert.equal(asked.rows, 4);
});

Deno.test("checkTensor() and readTensor() ask for the larger tensor's shape where there is one", async () => {
  const asked: { shapes: number[][]; rows: number } = { shapes: [], rows: 0 };
  checkTensor(source(12, asked), part(0, 4));
  for await (const _ of readTensor(source(12, asked), part(0, 4)));
  checkTensor(source(12, asked), { ...part(0, 4), within: undefined });
  assert.deepEqual(asked.shapes, [[12, 2], [12, 2], [4, 2]]);
});

Deno.test("readTensor() gives every second row of a larger tensor, and elements of a vector's rows", async () => {
  for (const pieceRows of [1, 2, 3, 12]) {
    const within = { shape: [3, 4, 2], firstRow: 1, step: 2 };
    const rows = { ...part(0, 6), within };
    const got: number[] = [];
    for await (const { firstRow, values } of readTensor(source(pieceRows, none()), rows)) {
      assert.equal(firstRow, got.length / 2);
      got.push(...values);
    }
    assert.deepEqual(got, [10, 11, 30, 31, 50, 51, 70, 71, 90, 91, 110, 111]);

    const elements: number[] = [];
    const vector = { ...part(0, 12), shape: [12], within: { ...within, shape: [12, 2] } };
    for await (const { firstRow, values } of readTensor(source(pieceRows, none()), vector)) {
      assert.equal(firstRow, elements.length);
      elements.push(...values);
    }
    assert.deepEqual(elements, Array.from({ length: 12 }, (_, row) => 10 * row + 1));
  }
});

Deno.test("readTensor() and checkTensor() put rows of several tensors one after the other", async () => {
  const asked = none();
  const stacked = [{ name: "a" }, { name: "b" }];
  const spec: TensorSpec = { ...part(0, 24), within: undefined, stacked };
  checkTensor(source(5, asked), spec);
  assert.deepEqual(asked.shapes, [[12, 2], [12, 2]]);
  const got: number[] = [];
  for await (const { firstRow, values } of readTensor(source(5, asked), spec)) {
    assert.equal(firstRow, got.length / 2);
    got.push(...values);
  }
  const one = Array.from({ length: 12 }, (_, row) => [10 * row, 10 * row + 1]).flat();
  assert.deepEqual(got, [...one, ...one]);
});

Deno.test("readTensor() puts runs of columns in another order", async () => {
  const columns = { width: 1, from: [1, 0] };
  const got: number[] = [];
  for await (const { values } of readTensor(source(2, none()), { ...part(3, 3), columns })) {
    got.push(...values);
  }
  assert.deepEqual(got, [31, 30, 41, 40, 51, 50]);
});

Deno.test("quantisedTensor() puts runs of whole blocks in another order, and no parts of blocks", async () => {
  // Two rows of three blocks of 32, each with one byte of codes, a scale and a zero point.
  const quantised: WeightSource = {
    ...source(12, none()),
    quantised: () => ({
      block: 32,
      pieces: (async function* () {
        await Promise.resolve();
        yield {
          firstRow: 0,
          rows: 2,
          codes: Uint8Array.of(10, 11, 12, 20, 21, 22),
          scales: Float32Array.of(0, 1, 2, 3, 4, 5),
          zeros: Uint8Array.of(0x21, 0x3, 0x54, 0x6),
        };
      })(),
    }),
  };
  const spec: TensorSpec = { key: "state.out", name: "out", shape: [2, 96], role: "projection" };
  const ordered = (width: number, from: number[]) =>
    quantisedTensor(quantised, { ...spec, columns: { width, from } }, "q4");
  assert.equal(ordered(16, [0, 2, 1, 3, 4, 5]), undefined);
  const [piece] = await Array.fromAsync(ordered(32, [2, 0, 1])!.pieces);
  assert.deepEqual(piece, {
    firstRow: 0,
    rows: 2,
    codes: Uint8Array.of(12, 10, 11, 22, 20, 21),
    scales: Float32Array.of(2, 0, 1, 5, 3, 4),
    zeros: Uint8Array.of(0x13, 0x2, 0x46, 0x5),
  });
});

Deno.test("quantisedTensor() gives the codes and scales of some rows, or nothing", async () => {
  const plain = source(12, none());
  assert.equal(quantisedTensor(plain, part(2, 3), "q8"), undefined);
  const codes = Uint8Array.from({ length: 24 }, (_, i) => i);
  const scales = Float32Array.from({ length: 12 }, (_, i) => i);
  const zeros = Uint8Array.from({ length: 12 }, (_, i) => 100 + i);
  const quantised: WeightSource = {
    ...plain,
    quantised: () => ({
      block: 16,
      pieces: (async function* () {
        await Promise.resolve();
        yield { firstRow: 0, rows: 12, codes, scales, zeros };
      })(),
    }),
  };
  const { block, pieces: some } = quantisedTensor(quantised, part(2, 3), "q4")!;
  assert.equal(block, 16);
  const pieces = await Array.fromAsync(some);
  assert.deepEqual(pieces, [{
    firstRow: 0,
    rows: 3,
    codes: Uint8Array.of(4, 5, 6, 7, 8, 9),
    scales: Float32Array.of(2, 3, 4),
    zeros: Uint8Array.of(102, 103, 104),
  }]);
});
