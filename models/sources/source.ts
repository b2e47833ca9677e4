/**
 * The interface of a checkpoint's weights: tensors by name, read piece by piece as f32.
 *
 * @module
 */

import type { Block } from "../manifest.ts";

/** Default of {@linkcode ReadOptions.pieceBytes}: 8 MiB. */
export const PIECE_BYTES = 8 << 20;

/**
 * Weight files of up to this many bytes (64 MiB) are identified by their content, larger ones by
 * header, size and time of last change.
 */
export const HASHED_WHOLE_BYTES = 64 << 20;

/** A tensor as its source describes it. */
export interface SourceTensor {
  /** Element type in the file: `F32`, `F16`, `BF16`; in a GGUF file also `Q8_0`, `Q4_K`, ... */
  dtype: string;
  /** Hugging Face orientation: [out, in] for a projection, [n] for a norm, [experts, out, in]. */
  shape: number[];
  /** Name of the file that holds the tensor, for messages. */
  file: string;
  /** Bytes of the tensor in the file. */
  bytes: number;
}

/**
 * Rows of a tensor of this shape, and elements of each. All dimensions but the last count as rows; a
 * vector's elements are rows of one element.
 */
export function rowsIn(shape: readonly number[]): { rows: number; width: number } {
  if (shape.length === 1) return { rows: shape[0], width: 1 };
  return { rows: shape.slice(0, -1).reduce((a, b) => a * b, 1), width: shape[shape.length - 1] };
}

/** Some whole rows of a tensor, see {@linkcode rowsIn}. */
export interface RowPiece {
  /** Number of the first row, 0-based. */
  firstRow: number;
  /** Number of rows. */
  rows: number;
  /** f32 [rows, elements of a row], row-major; valid until the next piece is asked for. */
  values: Float32Array;
}

/** Options of {@linkcode WeightSource.read}. */
export interface ReadOptions {
  /** Largest piece, in bytes of f32; at least one row is read. @default 8 MiB */
  pieceBytes?: number;
  /** Row to begin with; a source may begin a little earlier. @default 0 */
  firstRow?: number;
  signal?: AbortSignal;
}

/**
 * Some whole rows of a tensor in one of our quantised layouts (see `models/manifest.ts`), with codes
 * as they stand in the file.
 */
export interface QuantisedPiece {
  /** Number of the first row, 0-based. */
  firstRow: number;
  /** Number of rows. */
  rows: number;
  /** u8 [rows, blocks, block / 2 (q4) or block (q8)]. */
  codes: Uint8Array;
  /** f32 [rows, blocks]. */
  scales: Float32Array;
  /** q4: u8 [rows, ceil(blocks / 2)]; undefined: all zero points are 8. */
  zeros?: Uint8Array;
}

/** A tensor in one of our quantised layouts. */
export interface QuantisedTensor {
  /** Inputs that share a scale. */
  block: Block;
  pieces: AsyncIterable<QuantisedPiece>;
}

/**
 * A checkpoint's weights. They are checked while they are read: NaN and infinite weights are
 * refused.
 */
export interface WeightSource extends AsyncDisposable {
  /** Tensors by their Hugging Face name. */
  readonly tensors: ReadonlyMap<string, SourceTensor>;
  /**
   * Finds a tensor and checks its shape and element type, without reading its data. Throws
   * OrreryError `model/`: `tensor_missing`, `tensor_shape`, `tensor_dtype`.
   */
  check(name: string, shape: number[]): SourceTensor;
  /**
   * Reads the tensor's rows in order. Throws as `check`, and OrreryError `model/`:
   * `tensor_not_finite`, `safetensors_truncated`.
   */
  read(name: string, shape: number[], options?: ReadOptions): AsyncIterable<RowPiece>;
  /**
   * Reads the tensor's codes and scales as they are in the file, if this layout holds them exactly;
   * else undefined. Throws as `read`.
   */
  quantised?(
    name: string,
    shape: number[],
    format: "q4" | "q8",
    options?: ReadOptions,
  ): QuantisedTensor | undefined;
}
