import assert from "node:assert/strict";
import type { TensorSpec } from "../arch/mod.ts";
import type { RowPiece, WeightSource } from "../sources/mod.ts";
import { checkTensor, readTensor } from "./tensor_parts.ts";

/**
 * A source of one tensor [12, 2] with element = 10 * row + column, read in pieces of so many rows.
 */
function source(pieceRows: number, asked: { shapes: number[][]; rows: number }): WeightSource {
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
