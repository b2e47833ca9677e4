/**
 * MXFP4, as gpt-oss stores its experts: blocks of 32 values of 4 bits (e2m1) with a power of two as
 * their scale.
 *
 * @module
 */
import type { PackedTensor, PlacedTensor, ReadBytes } from "./placed_tensor.ts";
import { modelError } from "../errors.ts";
import { rowsIn } from "./source.ts";

/** Values that share a scale. */
const MXFP4_BLOCK = 32;

/** The byte of a scale that is no number. */
const MXFP4_NAN = 255;

/** Twice the value of each code; these are whole numbers. The upper half is negative. */
export const DOUBLED = Int8Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

/** Half of the scale that a byte means, by which {@linkcode DOUBLED} is multiplied. */
export const halfScale = (byte: number): number => 2 ** (byte - 128);

/** Blocks in this format. */
export interface Mxfp4Bytes {
  /** Two codes a byte, the earlier one in the low half: (blocks, 16). */
  codes: Uint8Array;
  /** (blocks) */
  scales: Uint8Array;
}

/** The values, f32 (blocks * 32). */
export function fromMxfp4({ codes, scales }: Mxfp4Bytes): Float32Array<ArrayBuffer> {
  const values = new Float32Array(codes.length * 2);
  for (let i = 0; i < codes.length; i++) {
    const scale = halfScale(scales[i >> 4]);
    values[2 * i] = DOUBLED[codes[i] & 15] * scale;
    values[2 * i + 1] = DOUBLED[codes[i] >> 4] * scale;
  }
  return values;
}

/** The same as q8 blocks of 32 (see `models/manifest.ts`), which hold all values exactly. */
export function mxfp4AsQ8(
  { codes, scales }: Mxfp4Bytes,
): { codes: Uint8Array; scales: Float32Array } {
  const bytes = new Uint8Array(codes.length * 2);
  for (let i = 0; i < codes.length; i++) {
    bytes[2 * i] = DOUBLED[codes[i] & 15] + 128;
    bytes[2 * i + 1] = DOUBLED[codes[i] >> 4] + 128;
  }
  return { codes: bytes, scales: Float32Array.from(scales, halfScale) };
}

/**
 * Adds a tensor X [.., in] for each pair X_blocks [.., in / 32, 16] and X_scales [.., in / 32] of
 * bytes.
 */
export function packMxfp4(tensors: Map<string, PlacedTensor>): void {
  for (const [name, codes] of [...tensors]) {
    const stem = /^(.*)_blocks$/.exec(name)?.[1];
    const scales = stem === undefined ? undefined : tensors.get(`${stem}_scales`);
    if (!stem || !scales || codes.dtype !== "U8" || scales.dtype !== "U8") continue;
    const blocks = scales.shape;
    if (codes.shape.join() !== [...blocks, MXFP4_BLOCK / 2].join()) continue;
    const shape = [...blocks.slice(0, -1), blocks[blocks.length - 1] * MXFP4_BLOCK];
    tensors.set(stem, {
      ...codes,
      dtype: "MXFP4",
      shape,
      bytes: codes.bytes + scales.bytes,
      packed: mxfp4Tensor(codes, scales, rowsIn(shape).width),
    });
  }
}

function mxfp4Tensor(codes: PlacedTensor, scales: PlacedTensor, width: number): PackedTensor {
  const blocks = width / MXFP4_BLOCK;
  const blocksOf = async (read: ReadBytes, name: string, firstRow: number, rows: number) => {
    const bytes = {
      codes: await read(codes, firstRow * width / 2, rows * width / 2),
      scales: await read(scales, firstRow * blocks, rows * blocks),
    };
    if (bytes.scales.includes(MXFP4_NAN)) {
      throw modelError(
        "tensor_not_finite",
        `${scales.file}, tensor ${name}: a scale of the rows from ${firstRow} is NaN; the ` +
          "checkpoint is damaged",
        { file: scales.file, tensor: name },
      );
    }
    return bytes;
  };
  return {
    exact: (format) => format === "q8" ? MXFP4_BLOCK : undefined,
    open: (read, name) =>
      Promise.resolve({
        values: async (firstRow, rows) => fromMxfp4(await blocksOf(read, name, firstRow, rows)),
        codes: async (_, firstRow, rows) => mxfp4AsQ8(await blocksOf(read, name, firstRow, rows)),
      }),
  };
}
