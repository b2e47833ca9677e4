/**
 * Decodes ggml's quantised blocks to f32, and copies the blocks that our layouts can hold without
 * decoding them.
 *
 * A legacy block has 32 elements; the low nibbles of its 16 bytes are elements 0-15, the high ones
 * 16-31. A K block has 256 elements in sub-blocks of 32 (Q6_K: 16), each with a scale of its own.
 * The product of a half-precision scale and such a code is exact in f32, so a value is rounded at
 * most once, at the last sum, as in ggml's own f32 arithmetic.
 *
 * @module
 */
import { BLOCK, type Precision } from "../manifest.ts";
import { CODED_TYPES, codedAsQ8, codedValues, half, q2_k, q3_k } from "./gguf_low_bits.ts";
import { toFloat32 } from "./safetensors.ts";

type Decoder = (bytes: Uint8Array, out: Float32Array) => void;

/**
 * Makes a decoder of 32-element blocks. A block holds the scale `d`, the minimum (if the type has
 * one), the fifth bits of the codes (if it has them), and the nibbles.
 */
function legacy(minimum: boolean, fifthBits: boolean): Decoder {
  const codesAt = (minimum ? 4 : 2) + (fifthBits ? 4 : 0);
  const zero = minimum ? 0 : fifthBits ? 16 : 8;
  return (bytes, out) => {
    let o = 0;
    for (let at = 0; at < bytes.length; at += codesAt + 16, o += 32) {
      // x + -0 is x, for x = -0 too.
      const d = half(bytes, at), m = minimum ? half(bytes, at + 2) : -0;
      const high = at + codesAt - 4;
      const bits = fifthBits
        ? bytes[high] | bytes[high + 1] << 8 | bytes[high + 2] << 16 | bytes[high + 3] << 24
        : 0;
      for (let i = 0; i < 16; i++) {
        const byte = bytes[at + codesAt + i];
        out[o + i] = d * ((byte & 15 | (bits >>> i & 1) << 4) - zero) + m;
        out[o + i + 16] = d * ((byte >> 4 | (bits >>> i + 16 & 1) << 4) - zero) + m;
      }
    }
  };
}

const q8_0: Decoder = (bytes, out) => {
  let o = 0;
  for (let at = 0; at < bytes.length; at += 34) {
    const d = half(bytes, at);
    for (let i = 2; i < 34; i++) out[o++] = d * (bytes[at + i] << 24 >> 24);
  }
};

/**
 * Makes a decoder of Q4_K or Q5_K: a block holds d, dmin, eight 6-bit scales and minima in 12
 * bytes, then (Q5_K) 32 bytes of fifth bits, then the nibbles.
 */
function kQuant(fifthBits: boolean): Decoder {
  const codesAt = fifthBits ? 48 : 16;
  return (bytes, out) => {
    let o = 0;
    for (let at = 0; at < bytes.length; at += codesAt + 128) {
      const d = half(bytes, at), dmin = half(bytes, at + 2), packed = at + 4;
      for (let sub = 0; sub < 8; sub++) {
        let scale: number, min: number;
        if (sub < 4) {
          scale = bytes[packed + sub] & 63;
          min = bytes[packed + 4 + sub] & 63;
        } else {
          const low = bytes[packed + 4 + sub];
          scale = low & 15 | bytes[packed + sub - 4] >> 6 << 4;
          min = low >> 4 | bytes[packed + sub] >> 6 << 4;
        }
        const step = d * scale, floor = dmin * min;
        const codes = at + codesAt + (sub >> 1) * 32, shift = 4 * (sub & 1);
        for (let i = 0; i < 32; i++) {
          const fifth = fifthBits ? (bytes[at + 16 + i] >> sub & 1) << 4 : 0;
          out[o++] = step * (bytes[codes + i] >> shift & 15 | fifth) - floor;
        }
      }
    }
  };
}

/**
 * Decodes Q6_K: a block holds 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed
 * scales (one for 16 elements), and d.
 */
const q6_k: Decoder = (bytes, out) => {
  let o = 0;
  for (let at = 0; at < bytes.length; at += 210) {
    const d = half(bytes, at + 208);
    for (let sub = 0; sub < 8; sub++) {
      const within = sub & 3, upper = sub >> 2;
      const low = at + upper * 64 + (within & 1) * 32, high = at + 128 + upper * 32;
      for (let i = 0; i < 32; i++) {
        const code = bytes[low + i] >> 4 * (within >> 1) & 15 |
          (bytes[high + i] >> 2 * within & 3) << 4;
        const scale = bytes[at + 192 + sub * 2 + (i >> 4)] << 24 >> 24;
        out[o++] = d * scale * (code - 32);
      }
    }
  }
};

const DECODERS: Readonly<Record<string, Decoder>> = {
  Q4_0: legacy(false, false),
  Q4_1: legacy(true, false),
  Q5_0: legacy(false, true),
  Q5_1: legacy(true, true),
  Q8_0: q8_0,
  Q4_K: kQuant(false),
  Q5_K: kQuant(true),
  Q6_K: q6_k,
  Q2_K: q2_k,
  Q3_K: q3_k,
  ...Object.fromEntries(
    Object.entries(CODED_TYPES).map(([name, type]): [string, Decoder] => [
      name,
      (bytes, out) => codedValues(type, bytes, out),
    ]),
  ),
};

/** Element types that {@linkcode dequantise} can decode. */
export const GGUF_TYPES: readonly string[] = ["F32", "F16", "BF16", ...Object.keys(DECODERS)];

/**
 * The smallest of our precisions that does not round a type more coarsely than it is: q4 for types
 * of up to 4.5 bits a weight, q8 for larger ones.
 */
export function keptBy(type: string): Precision {
  if (type === "F32") return "f32";
  if (type === "F16" || type === "BF16") return "f16";
  return /^(Q[568]_|Q4_1)/.test(type) ? "q8" : "q4";
}

/** Decodes whole blocks to `count` f32 values; `bytes` begins at the start of its buffer. */
export function dequantise(
  type: string,
  bytes: Uint8Array<ArrayBuffer>,
  count: number,
): Float32Array {
  const decode = DECODERS[type];
  if (!decode) return toFloat32(bytes, type);
  const values = new Float32Array(count);
  decode(bytes, values);
  return values;
}

/**
 * Whether our layout `format` holds the blocks of a type exactly: the same codes under the same
 * scales.
 */
export function isCarried(type: string, format: string): boolean {
  return format === "q4"
    ? type === "Q4_0"
    : format === "q8" && ["Q4_0", "Q8_0", ...Object.keys(CODED_TYPES)].includes(type);
}

/**
 * Copies blocks of a type that {@linkcode isCarried} into our layout without rounding: codes u8 [blocks, 16 (q4) or 32
 * (q8)], scales f32 [blocks] (f16 scales are exact in f32).
 */
export function carryOver(
  type: string,
  format: "q4" | "q8",
  bytes: Uint8Array,
): { codes: Uint8Array; scales: Float32Array } {
  if (CODED_TYPES[type]) return codedAsQ8(CODED_TYPES[type], bytes);
  const blockBytes = type === "Q4_0" ? 18 : 34;
  const blocks = bytes.length / blockBytes;
  const codes = new Uint8Array(blocks * (format === "q4" ? BLOCK / 2 : BLOCK));
  const scales = new Float32Array(blocks);
  let out = 0;
  for (let block = 0; block < blocks; block++) {
    const at = block * blockBytes, first = at + 2;
    scales[block] = half(bytes, at);
    if (type === "Q8_0") {
      for (let i = 0; i < BLOCK; i++) codes[out++] = bytes[first + i] ^ 128;
    } else if (format === "q8") {
      for (let i = 0; i < 16; i++) codes[out++] = (bytes[first + i] & 15) + 120;
      for (let i = 0; i < 16; i++) codes[out++] = (bytes[first + i] >> 4) + 120;
    } else {
      // Byte i of ggml holds elements i and i + 16, byte i of ours elements 2i and 2i + 1.
      for (let shift = 0; shift < 8; shift += 4) {
        for (let i = 0; i < 16; i += 2) {
          codes[out++] = bytes[first + i] >> shift & 15 | (bytes[first + i + 1] >> shift & 15) << 4;
        }
      }
    }
  }
  return { codes, scales };
}
