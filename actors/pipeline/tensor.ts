/**
 * A tensor as it travels between nodes and as the engine takes it, and how hidden states are
 * encoded with fewer bytes for a link.
 *
 * @module
 */
import { z } from "zod";
import { OrreryError } from "../system/mod.ts";

/** Bytes of one element of each dtype. */
export const DTYPE_BYTES = { f32: 4, f16: 2, i64: 8, i32: 4, i8: 1, u8: 1 } as const;

/** Element type of a {@linkcode Tensor}. */
export type DType = keyof typeof DTYPE_BYTES;

/** A dense row-major tensor. `data` holds little-endian bytes, `shape` counts elements. */
export interface Tensor {
  /** Element type. */
  dtype: DType;
  /** Elements along each axis, outermost first; [] is a scalar. */
  shape: number[];
  /**
   * The elements' bytes: the product of `shape` times {@linkcode DTYPE_BYTES}. The view's offset in
   * its buffer need not be aligned to the element size.
   */
  data: Uint8Array;
  /**
   * Only of an `i8` tensor (rows, columns): the factor of each row, f32 (rows). An element's value
   * is its code times its row's factor.
   */
  scales?: Float32Array;
}

const dtypes = Object.keys(DTYPE_BYTES) as [DType, ...DType[]];

/**
 * Schema of a tensor that came from outside. The byte length must match shape and dtype, and
 * `scales` may stand only with `i8` (rows, columns), one for each row.
 */
export const tensorSchema: z.ZodType<Tensor> = z.object({
  dtype: z.enum(dtypes),
  shape: z.array(z.number().int().nonnegative()).max(8),
  data: z.instanceof(Uint8Array),
  scales: z.instanceof(Float32Array).optional(),
}).superRefine((t, ctx) => {
  const want = t.shape.reduce((a, b) => a * b, 1) * DTYPE_BYTES[t.dtype];
  if (t.data.byteLength !== want) {
    ctx.addIssue({
      code: "custom",
      message: `tensor ${t.dtype}[${t.shape}] needs ${want} bytes, got ${t.data.byteLength}`,
    });
  }
  if (t.scales && (t.dtype !== "i8" || t.shape.length !== 2 || t.scales.length !== t.shape[0])) {
    ctx.addIssue({
      code: "custom",
      message:
        `scales belong to i8 (rows, columns), one a row; got ${t.scales.length} for ${t.dtype}[${t.shape}]`,
    });
  }
});

/** The elements of an f32 tensor: a view of its bytes where they are aligned to 4, else a copy. */
export function asFloat32(t: Tensor): Float32Array {
  const { buffer, byteOffset, byteLength } = t.data;
  if (byteOffset % 4 === 0) {
    return new Float32Array(buffer as ArrayBuffer, byteOffset, byteLength / 4);
  }
  return new Float32Array(t.data.slice().buffer);
}

/** An f32 tensor of this shape over existing elements, without a copy. */
export function fromFloat32(shape: number[], data: Float32Array): Tensor {
  return {
    dtype: "f32",
    shape,
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

/**
 * Schema of the wire format: how hidden states travel from stage to stage. `f32` is exact, `f16`
 * rounds each element to 16 bits, `int8` rounds to 8 bits with one f32 scale for each row.
 */
export const wireSchema = z.enum(["f32", "f16", "int8"]);

/** See {@linkcode wireSchema}. */
export type Wire = z.infer<typeof wireSchema>;

/** The smallest magnitude that rounds to infinity in f16, whose largest number is 65504. */
const F16_OVERFLOW = 65520;
/** The largest code of an int8 element. Codes are symmetric, so -128 is not used. */
const INT8_MAX = 127;
/**
 * The smallest scale of an int8 row. Below it 1 / scale is no longer precise in f32, so the row is
 * sent as zeros.
 */
const SMALLEST_SCALE = 2 ** -120;

/**
 * Encodes hidden states f32 (rows, hidden) for a link.
 *
 * - `f32`: returns `t` itself.
 * - `f16`: relative error up to 2^-11. Returns `t` itself if a finite element is too large for f16.
 * - `int8`: symmetric, one scale max|row| / 127 for each row; absolute error up to max|row| / 254.
 *   A row with a NaN or an infinity becomes all NaN, so that its receiver sees the damage.
 *
 * A new tensor shares no memory with `t`, which is not changed. Throws `bad_frame` (group `engine`)
 * if `t` is not f32 (rows, hidden).
 */
export function encodeHidden(t: Tensor, wire: Wire): Tensor {
  if (t.dtype !== "f32" || t.shape.length !== 2) {
    throw badHidden(
      `hidden states to send must be f32 (rows, hidden), got ${t.dtype} (${t.shape})`,
    );
  }
  if (wire === "f32") return t;
  return wire === "f16" ? toHalf(t) : toInt8(t);
}

/**
 * Decodes what {@linkcode encodeHidden} gave for any wire format: f32 (rows, hidden). An f32 tensor
 * is returned as it is. Throws `bad_frame` (group `engine`) for any other tensor.
 */
export function decodeHidden(t: Tensor): Tensor {
  if (t.dtype === "f32") return t;
  if (t.dtype === "f16") {
    return fromFloat32(t.shape, new Float32Array(new Float16Array(aligned(t, 2))));
  }
  const { scales, shape: [rows, columns], data } = t;
  if (t.dtype !== "i8" || !scales || t.shape.length !== 2 || scales.length !== rows) {
    throw badHidden(
      `hidden states must be f32, f16 or i8 with a scale a row, got ${t.dtype} (${t.shape})`,
    );
  }
  const codes = new Int8Array(data.buffer, data.byteOffset, data.byteLength);
  const values = new Float32Array(codes.length);
  for (let row = 0; row < rows; row++) {
    const scale = scales[row];
    for (let i = row * columns, end = i + columns; i < end; i++) values[i] = codes[i] * scale;
  }
  return fromFloat32(t.shape, values);
}

function toHalf(t: Tensor): Tensor {
  const values = asFloat32(t);
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]);
    if (size >= F16_OVERFLOW && size < Infinity) return t;
  }
  return { dtype: "f16", shape: t.shape, data: new Uint8Array(new Float16Array(values).buffer) };
}

function toInt8(t: Tensor): Tensor {
  const [rows, columns] = t.shape;
  const values = asFloat32(t);
  const codes = new Int8Array(values.length);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    let max = 0;
    let sum = 0; // f64 cannot overflow here, so the sum is not finite only if an element is not
    for (let i = start; i < start + columns; i++) {
      sum += values[i];
      const size = Math.abs(values[i]);
      if (size > max) max = size;
    }
    scales[row] = Number.isFinite(sum) ? max / INT8_MAX : NaN;
    // codes stay 0: the row is zeros, or NaN by its scale
    if (!(scales[row] >= SMALLEST_SCALE)) continue;
    const inverse = 1 / scales[row];
    for (let i = start; i < start + columns; i++) {
      codes[i] = (values[i] * inverse + 128.5 | 0) - 128; // rounds to the nearest code
    }
  }
  return { dtype: "i8", shape: t.shape, data: new Uint8Array(codes.buffer), scales };
}

/**
 * The tensor's bytes as a whole buffer, over which a view of elements of this many bytes can begin:
 * the tensor's own buffer where it holds nothing else, otherwise a copy.
 */
function aligned({ data }: Tensor, bytes: number): ArrayBuffer {
  const whole = data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength;
  return whole && data.byteLength % bytes === 0 ? data.buffer as ArrayBuffer : data.slice().buffer;
}

function badHidden(message: string): OrreryError {
  return new OrreryError({ group: "engine", code: "bad_frame", message });
}
