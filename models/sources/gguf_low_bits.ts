/**
 * Decodes ggml's types of about 2 to 4 bits whose codes are no plain steps, or that hold sub-blocks:
 * Q2_K, Q3_K, IQ4_NL, IQ4_XS and MXFP4. Layouts are those of ggml-common.h.
 *
 * @module
 */
import { halfValues } from "./safetensors.ts";
import { DOUBLED, halfScale } from "./packed_mxfp4.ts";

/** The f16 number at a byte position. */
export function half(bytes: Uint8Array, at: number): number {
  return halfValues()[bytes[at] | bytes[at + 1] << 8];
}

/** Values of the 16 codes of IQ4_NL and IQ4_XS, before the scale. */
const UNEVEN = Int8Array.of(
  -127,
  -104,
  -83,
  -65,
  -49,
  -35,
  -22,
  -10,
  1,
  13,
  25,
  38,
  53,
  69,
  89,
  113,
);

/**
 * Decodes Q2_K: a block holds 16 bytes with a scale (low nibble) and a minimum (high) for 16
 * elements each, 64 bytes of codes, d and dmin.
 */
export function q2_k(bytes: Uint8Array, out: Float32Array): void {
  let o = 0;
  for (let at = 0; at < bytes.length; at += 84) {
    const d = half(bytes, at + 80), dmin = half(bytes, at + 82);
    for (let sub = 0; sub < 16; sub++) {
      const step = d * (bytes[at + sub] & 15), floor = dmin * (bytes[at + sub] >> 4);
      const { codes, shift } = pairsOf(at + 16, sub);
      for (let i = 0; i < 16; i++) out[o++] = step * (bytes[codes + i] >> shift & 3) - floor;
    }
  }
}

/**
 * Decodes Q3_K: a block holds 32 bytes of high bits, 64 bytes of low bit pairs, sixteen 6-bit scales
 * in 12 bytes, and d.
 */
export function q3_k(bytes: Uint8Array, out: Float32Array): void {
  let o = 0;
  for (let at = 0; at < bytes.length; at += 110) {
    const d = half(bytes, at + 108), packed = at + 96;
    for (let sub = 0; sub < 16; sub++) {
      const low = sub < 8 ? bytes[packed + sub] & 15 : bytes[packed + sub - 8] >> 4;
      const high = bytes[packed + 8 + (sub & 3)] >> 2 * (sub >> 2) & 3;
      const step = d * ((low | high << 4) - 32);
      const { codes, shift } = pairsOf(at + 32, sub);
      for (let i = 0; i < 16; i++) {
        const third = bytes[at + 16 * (sub & 1) + i] >> (sub >> 1) & 1;
        out[o++] = step * ((bytes[codes + i] >> shift & 3) - (third ? 0 : 4));
      }
    }
  }
}

/** Where the bit pairs of 16 elements lie: 128 elements share 32 bytes. */
const pairsOf = (first: number, sub: number) => ({
  codes: first + 32 * (sub >> 3) + 16 * (sub & 1),
  shift: 2 * (sub >> 1 & 3),
});

/** 32 whole numbers and their scale: how a q8 block of ours holds them too. */
export interface ScaledCodes {
  /** From -128 to 127 (32). */
  codes: Int8Array;
  scale: number;
}

/** Types whose values are whole numbers from -128 to 127 by a scale for each 32. */
interface CodedType {
  /** Bytes of a block. */
  bytes: number;
  /** Elements of a block, a multiple of 32. */
  elements: number;
  /** Reads 32 elements, part `part` of the block that begins at byte `at`. */
  read(bytes: Uint8Array, at: number, part: number, into: ScaledCodes): void;
}

/** Reads 16 bytes: the low nibbles are elements 0-15, the high ones 16-31. */
function nibbles(bytes: Uint8Array, at: number, values: Int8Array, into: Int8Array): void {
  for (let i = 0; i < 16; i++) {
    into[i] = values[bytes[at + i] & 15];
    into[i + 16] = values[bytes[at + i] >> 4];
  }
}

/** Such types by name. */
export const CODED_TYPES: Readonly<Record<string, CodedType>> = {
  IQ4_NL: {
    bytes: 18,
    elements: 32,
    read(bytes, at, _part, into) {
      into.scale = half(bytes, at);
      nibbles(bytes, at + 2, UNEVEN, into.codes);
    },
  },
  IQ4_XS: {
    bytes: 136,
    elements: 256,
    read(bytes, at, part, into) {
      const low = bytes[at + 4 + (part >> 1)] >> 4 * (part & 1) & 15;
      const high = (bytes[at + 2] | bytes[at + 3] << 8) >> 2 * part & 3;
      into.scale = half(bytes, at) * ((low | high << 4) - 32);
      nibbles(bytes, at + 8 + 16 * part, UNEVEN, into.codes);
    },
  },
  MXFP4: {
    bytes: 17,
    elements: 32,
    read(bytes, at, _part, into) {
      into.scale = halfScale(bytes[at]);
      nibbles(bytes, at + 1, DOUBLED, into.codes);
    },
  },
};

/** Decodes whole blocks of a coded type. */
export function codedValues(type: CodedType, bytes: Uint8Array, out: Float32Array): void {
  eachCoded(type, bytes, ({ codes, scale }, from) => {
    for (let i = 0; i < 32; i++) out[from + i] = scale * codes[i];
  });
}

/** The same as q8 blocks of 32 (codes u8 [blocks, 32], scales f32 [blocks]), exactly. */
export function codedAsQ8(
  type: CodedType,
  bytes: Uint8Array,
): { codes: Uint8Array; scales: Float32Array } {
  const count = bytes.length / type.bytes * type.elements;
  const out = { codes: new Uint8Array(count), scales: new Float32Array(count / 32) };
  eachCoded(type, bytes, ({ codes, scale }, from) => {
    out.scales[from / 32] = scale;
    for (let i = 0; i < 32; i++) out.codes[from + i] = codes[i] + 128;
  });
  return out;
}

function eachCoded(
  { bytes: blockBytes, elements, read }: CodedType,
  bytes: Uint8Array,
  use: (part: ScaledCodes, from: number) => void,
): void {
  const part: ScaledCodes = { codes: new Int8Array(32), scale: 0 };
  let from = 0;
  for (let at = 0; at < bytes.length; at += blockBytes) {
    for (let n = 0; n < elements / 32; n++, from += 32) {
      read(bytes, at, n, part);
      use(part, from);
    }
  }
}
