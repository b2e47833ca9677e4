/**
 * Reads tensors that a checkpoint holds in another arrangement as if they were tensors of their own:
 * as rows of a larger one (Phi's fused projections), in several one after the other (a projection of
 * each expert), or with its columns in another order (GGUF files of Qwen 3.5).
 *
 * @module
 */
import type { ColumnRuns, RowsWithin, TensorSpec } from "../arch/mod.ts";
import { transposeInto } from "../quantise.ts";
import {
  PIECE_BYTES,
  type QuantisedPiece,
  type QuantisedTensor,
  type ReadOptions,
  type RowPiece,
  rowsIn,
  type WeightSource,
} from "../sources/mod.ts";

/** Bytes of an element of what is read. */
const F32_BYTES = 4;

/** Rows that lie in one tensor of the checkpoint. */
interface SourceRows {
  name: string;
  /** Shape of these rows, as a tensor's of their own. */
  shape: number[];
  within?: RowsWithin;
  /** They are the columns of what is read, whose shape `shape` is then. */
  transposed?: boolean;
  /** Number within the whole tensor of the first of these rows. */
  firstRow: number;
}

function partsOf({ name, shape, within, stacked }: TensorSpec): SourceRows[] {
  if (!stacked) return [{ name, shape, within, firstRow: 0 }];
  const rows = shape[0] / stacked.length;
  return stacked.map((part, i) => ({
    ...part,
    shape: part.transposed ? [shape[1], rows] : [rows, ...shape.slice(1)],
    firstRow: i * rows,
  }));
}

/**
 * Checks, as {@linkcode WeightSource.check} does, that the checkpoint has this tensor, or those that
 * hold it.
 */
export function checkTensor(source: WeightSource, spec: TensorSpec): void {
  for (const { name, shape, within } of partsOf(spec)) source.check(name, within?.shape ?? shape);
}

/**
 * Reads the rows of this tensor as {@linkcode WeightSource.read} does, numbered from 0. Of a larger
 * tensor the rows before and after them are not read, or read and dropped.
 */
export async function* readTensor(
  source: WeightSource,
  spec: TensorSpec,
  options?: ReadOptions,
): AsyncGenerator<RowPiece> {
  const { columns } = spec;
  if (!columns) {
    yield* readParts(source, spec, options);
    return;
  }
  for await (const piece of readParts(source, spec, options)) {
    yield { ...piece, values: reordered(piece.values, columns.from, columns.width) };
  }
}

/** Reads the rows of all parts, columns as in the checkpoint. */
async function* readParts(
  source: WeightSource,
  spec: TensorSpec,
  options?: ReadOptions,
): AsyncGenerator<RowPiece> {
  for (const part of partsOf(spec)) {
    const { shape, within } = part;
    if (part.transposed) {
      yield await turned(source, part, options);
      continue;
    }
    const pieces = source.read(part.name, within?.shape ?? shape, startingAt(part, options));
    if (!within) {
      for await (const piece of pieces) {
        yield { ...piece, firstRow: piece.firstRow + part.firstRow };
      }
      continue;
    }
    const width = shape[1] ?? 1;
    for await (const { piece, rows, firstRow } of chosen(pieces, part)) {
      yield { firstRow, rows: rows.count, values: rowsOfArray(piece.values, rows, width) };
    }
  }
}

/** The columns of a part of a checkpoint, in one piece. */
async function turned(
  source: WeightSource,
  { name, shape: [columns, rows], within, firstRow: first }: SourceRows,
  options?: ReadOptions,
): Promise<RowPiece> {
  const values = new Float32Array(rows * columns);
  const held = { key: "", name, shape: [columns, rows], role: "projection" as const, within };
  for await (const piece of readTensor(source, held, options)) {
    transposeInto(piece.values, rows, piece.firstRow, columns, values);
  }
  return { firstRow: first, rows, values };
}

/**
 * Reads the rows of this tensor as {@linkcode WeightSource.quantised} does, numbered from 0;
 * undefined where the source cannot.
 */
export function quantisedTensor(
  source: WeightSource,
  spec: TensorSpec,
  format: "q4" | "q8",
  options?: ReadOptions,
): QuantisedTensor | undefined {
  const all = partsOf(spec);
  if (all.some(({ transposed }) => transposed)) return undefined;
  const parts = all.map((part) => ({
    part,
    tensor: source.quantised?.(
      part.name,
      part.within?.shape ?? part.shape,
      format,
      startingAt(part, options),
    ),
  }));
  const block = parts[0].tensor?.block;
  if (!block || parts.some(({ tensor }) => tensor?.block !== block)) return undefined;
  const pieces = quantisedRows(parts.map(({ part, tensor }) => ({ part, pieces: tensor!.pieces })));
  const { columns } = spec;
  if (!columns) return { block, pieces };
  if (columns.width % block !== 0) return undefined; // a block has columns of several runs
  const runs = { width: columns.width / block, from: columns.from };
  return { block, pieces: quantisedColumns(pieces, runs) };
}

/** The pieces with runs of `width` blocks in another order. */
async function* quantisedColumns(
  pieces: AsyncIterable<QuantisedPiece>,
  { width, from }: ColumnRuns,
): AsyncGenerator<QuantisedPiece> {
  for await (const piece of pieces) {
    const blockBytes = piece.codes.length / piece.scales.length;
    const blocks = piece.scales.length / piece.rows;
    yield {
      ...piece,
      codes: reordered(piece.codes, from, width * blockBytes),
      scales: reordered(piece.scales, from, width),
      ...(piece.zeros && {
        zeros: pairs(reordered(unpaired(piece.zeros, blocks), from, width), blocks),
      }),
    };
  }
}

/** A zero point a byte, [rows, blocks], of those that lie in pairs, low nibble first. */
function unpaired(zeros: Uint8Array, blocks: number): Uint8Array {
  const row = Math.ceil(blocks / 2);
  return Uint8Array.from({ length: zeros.length / row * blocks }, (_, i) => {
    const at = i % blocks;
    return zeros[Math.floor(i / blocks) * row + (at >> 1)] >> 4 * (at & 1) & 15;
  });
}

/** The inverse of {@linkcode unpaired}. */
function pairs(zeros: Uint8Array, blocks: number): Uint8Array {
  const row = Math.ceil(blocks / 2);
  const out = new Uint8Array(zeros.length / blocks * row);
  zeros.forEach((zero, i) => {
    const at = i % blocks;
    out[Math.floor(i / blocks) * row + (at >> 1)] |= zero << 4 * (at & 1);
  });
  return out;
}

/** Rows whose runs of `width` elements stand in another order: run i is run `from[i]` of `all`. */
function reordered<T extends Uint8Array | Float32Array>(
  all: T,
  from: readonly number[],
  width: number,
): T {
  const out = all.slice() as T;
  const row = from.length * width;
  for (let start = 0; start < all.length; start += row) {
    from.forEach((run, i) => {
      const at = start + run * width;
      out.set(all.subarray(at, at + width), start + i * width);
    });
  }
  return out;
}

/** Rows that lie in one tensor, and its pieces. */
interface QuantisedPart {
  part: SourceRows;
  pieces: AsyncIterable<QuantisedPiece>;
}

async function* quantisedRows(parts: QuantisedPart[]): AsyncGenerator<QuantisedPiece> {
  for (const { part, pieces } of parts) {
    for await (const { piece, rows, firstRow } of chosen(pieces, part)) {
      const some = <T extends Uint8Array | Float32Array>(all: T) =>
        rowsOfArray(all, rows, all.length / piece.rows);
      yield {
        firstRow,
        rows: rows.count,
        codes: some(piece.codes),
        scales: some(piece.scales),
        ...(piece.zeros && { zeros: some(piece.zeros) }),
      };
    }
  }
}

/**
 * The options with which a source reads a part: it may begin at the part's first row, and a piece
 * need not go beyond the last one.
 */
function startingAt({ shape, within }: SourceRows, options?: ReadOptions): ReadOptions {
  if (!within) return { ...options };
  const [count, width = 1] = shape;
  const own = rowsIn(within.shape).width / width;
  const pieceBytes = Math.min(
    options?.pieceBytes ?? PIECE_BYTES,
    count * (within.step ?? 1) * width * F32_BYTES,
  );
  return { ...options, pieceBytes, firstRow: Math.floor(within.firstRow / own) };
}

/** Rows of a piece: the first, how many, and their distance. */
interface Picked {
  first: number;
  count: number;
  step: number;
}

/**
 * The pieces that hold rows of a part. `rows` are those within the piece; `firstRow` is the number
 * within the whole tensor of the first of them.
 */
async function* chosen<T extends { firstRow: number; rows: number }>(
  pieces: AsyncIterable<T>,
  part: SourceRows,
): AsyncGenerator<{ piece: T; rows: Picked; firstRow: number }> {
  const { shape: [count, width = 1], within } = part;
  const step = within?.step ?? 1;
  // a row of the source may hold several rows of the part: elements of a vector
  const held = within ? rowsIn(within.shape).width / width : 1;
  const start = within?.firstRow ?? 0;
  for await (const piece of pieces) {
    const [from, to] = [piece.firstRow * held, (piece.firstRow + piece.rows) * held];
    const first = Math.max(0, Math.ceil((from - start) / step));
    const end = Math.min(count, Math.ceil((to - start) / step));
    if (first < end) {
      const rows = { first: start + first * step - from, count: end - first, step };
      yield { piece, rows, firstRow: part.firstRow + first };
    }
    if (end === count) return;
  }
}

/** These rows of an array of rows of so many elements; a view where they are neighbours. */
function rowsOfArray<T extends Uint8Array | Float32Array>(
  all: T,
  { first, count, step }: Picked,
  width: number,
): T {
  if (step === 1) return all.subarray(first * width, (first + count) * width) as T;
  const some = all.slice(0, count * width) as T;
  for (let row = 0; row < count; row++) {
    const at = (first + row * step) * width;
    some.set(all.subarray(at, at + width), row * width);
  }
  return some;
}
