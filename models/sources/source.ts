/**
 * Where weights come from: tensors by name, read piece by piece as f32.
 *
 * @module
 */

/** A tensor as its source describes it. */
export interface SourceTensor {
  /** Element type in the file: `F32`, `F16`, `BF16`; in a GGUF file also `Q8_0`, `Q4_K`, ... */
  dtype: string;
  /** Hugging Face orientation: [out, in] for a projection, [n] for a norm. */
  shape: number[];
  /** Name of the file that holds it, for messages. */
  file: string;
  /** Bytes in the file. */
  bytes: number;
}

/** Some whole rows of a tensor; a vector has one element a row. */
export interface RowPiece {
  firstRow: number;
  rows: number;
  /** rows x (elements of a row), row-major; valid until the next piece is asked for. */
  values: Float32Array;
}

/** Options of {@linkcode WeightSource.read}. */
export interface ReadOptions {
  /** Most f32 bytes of one piece (at least one row is read). @default 8 MiB */
  pieceBytes?: number;
  signal?: AbortSignal;
}

/**
 * Some whole rows of a tensor in one of our quantised layouts (see `models/manifest.ts`),
 * symmetric, without a second rounding.
 */
export interface QuantisedPiece {
  firstRow: number;
  rows: number;
  /** u8 [rows, blocks, 16 (q4) or 32 (q8)]. */
  codes: Uint8Array;
  /** f32 [rows, blocks]. */
  scales: Float32Array;
}

/**
 * A checkpoint's weights. A piece is checked while it is read: NaN and infinite weights are
 * refused.
 */
export interface WeightSource extends AsyncDisposable {
  readonly tensors: ReadonlyMap<string, SourceTensor>;
  /**
   * Finds a tensor and checks what it is, reading nothing. Throws `tensor_missing`, `tensor_shape`,
   * `tensor_dtype`.
   */
  check(name: string, shape: number[]): SourceTensor;
  /**
   * The tensor row by row, in order. Throws as `check`, and `tensor_not_finite`,
   * `safetensors_truncated`.
   */
  read(name: string, shape: number[], options?: ReadOptions): AsyncIterable<RowPiece>;
  /**
   * The tensor as it is in the file, where that can be put into this layout exactly; else
   * undefined. Throws as `read`.
   */
  quantised?(
    name: string,
    shape: number[],
    format: "q4" | "q8",
    options?: ReadOptions,
  ): AsyncIterable<QuantisedPiece> | undefined;
}
