/**
 * MXFP4, as gpt-oss stores its experts: blocks of 32 values of 4 bits (e2m1) with a power of two as
 * their scale.
 *
 * @module
 */

/** Values that share a scale. */
export const MXFP4_BLOCK = 32;

/** The byte of a scale that is no number. */
export const MXFP4_NAN = 255;

/** Twice the value of each code; these are whole numbers. The upper half is negative. */
export const DOUBLED = Int8Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

/** Half of the scale that a byte means, by which {@linkcode DOUBLED} is multiplied. */
export const halfScale = (byte: number): number => 2 ** (byte - 128);

/** A tensor in this format within a checkpoint. */
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
