/**
 * Reads tensors that a checkpoint may hold as rows of a larger one (Phi's fused projections) as if
 * they were tensors of their own.
 *
 * @module
 */
import type { TensorSpec } from "../arch/mod.ts";
import type {
  QuantisedPiece,
  ReadOptions,
  RowPiece,
  SourceTensor,
  WeightSource,
} from "../sources/mod.ts";

/**
 * Checks, as {@linkcode WeightSource.check} does, that the checkpoint has this tensor or the larger
 * one that holds it.
 */
export function checkTensor(
  source: WeightSource,
  { name, shape, within }: TensorSpec,
): SourceTensor {
  return source.check(name, within?.shape ?? shape);
}

/**
 * Reads the rows of this tensor as {@linkcode WeightSource.read} does, numbered from 0. Of a larger
 * tensor the rows before and after them are not read, or read and dropped.
 */
export async function* readTensor(
  source: WeightSource,
  { name, shape, within }: TensorSpec,
  options?: ReadOptions,
): AsyncGenerator<RowPiece> {
  if (!within) {
    yield* source.read(name, shape, options);
    return;
  }
  const width = within.shape[1];
  const pieces = source.read(name, within.shape, { ...options, firstRow: within.firstRow });
  for await (const { piece, from, to, firstRow } of rowsOf(pieces, within.firstRow, shape[0])) {
    yield { firstRow, rows: to - from, values: piece.values.subarray(from * width, to * width) };
  }
}

/**
 * Reads the rows of this tensor as {@linkcode WeightSource.quantised} does, numbered from 0;
 * undefined where the source cannot.
 */
export function quantisedTensor(
  source: WeightSource,
  { name, shape, within }: TensorSpec,
  format: "q4" | "q8",
  options?: ReadOptions,
): AsyncIterable<QuantisedPiece> | undefined {
  const pieces = source.quantised?.(name, within?.shape ?? shape, format, {
    ...options,
    firstRow: within?.firstRow,
  });
  return pieces && within ? quantisedRows(pieces, within.firstRow, shape[0]) : pieces;
}

async function* quantisedRows(
  pieces: AsyncIterable<QuantisedPiece>,
  first: number,
  count: number,
): AsyncGenerator<QuantisedPiece> {
  for await (const { piece, from, to, firstRow } of rowsOf(pieces, first, count)) {
    const cut = <T extends Uint8Array | Float32Array>(all: T) =>
      all.subarray(from * all.length / piece.rows, to * all.length / piece.rows) as T;
    yield { firstRow, rows: to - from, codes: cut(piece.codes), scales: cut(piece.scales) };
  }
}

/**
 * The pieces that hold some of the `count` rows from row `first` on. `from` and `to` (exclusive)
 * are the range of these rows within the piece; `firstRow` is the number of the first of them,
 * counted from `first`.
 */
async function* rowsOf<T extends { firstRow: number; rows: number }>(
  pieces: AsyncIterable<T>,
  first: number,
  count: number,
): AsyncGenerator<{ piece: T; from: number; to: number; firstRow: number }> {
  const end = first + count;
  for await (const piece of pieces) {
    const from = Math.max(piece.firstRow, first) - piece.firstRow;
    const to = Math.min(piece.firstRow + piece.rows, end) - piece.firstRow;
    if (from < to) yield { piece, from, to, firstRow: piece.firstRow + from - first };
    if (piece.firstRow + to === end) return;
  }
}
