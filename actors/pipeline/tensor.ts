/**
 * A tensor as it travels and as the engine takes it, and how hidden states are made small for a
 * link.
 *
 * @module
 */
import { z } from "zod";
import { OrreryError } from "../system/mod.ts";

/** Bytes of one element. */
export const DTYPE_BYTES = { f32: 4, f16: 2, i64: 8, i32: 4, i8: 1, u8: 1 } as const;

/** Element type of a {@linkcode Tensor}. */
export type DType = keyof typeof DTYPE_BYTES;

/** Dense row-major tensor; `data` are little-endian bytes, `shape` counts elements. */
export interface Tensor {
  /** Element type. */
  dtype: DType;
  /** Elements along each axis, outermost first; [] is one scalar. */
  shape: number[];
  /** Elements: product of `shape` times {@linkcode DTYPE_BYTES} bytes, not necessarily aligned. */
  data: Uint8Array;
  /** Of an `i8` tensor (rows, columns): what a row's elements are multiplied with. f32 (rows) */
  scales?: Float32Array;
}

const dtypes = Object.keys(DTYPE_BYTES) as [DType, ...DType[]];

/** Schema of a tensor from outside: the byte length must match shape and dtype. */
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

/** View of an f32 tensor's elements, without a copy when the bytes are aligned. */
export function asFloat32(t: Tensor): Float32Array {
  const { buffer, byteOffset, byteLength } = t.data;
  if (byteOffset % 4 === 0) {
    return new Float32Array(buffer as ArrayBuffer, byteOffset, byteLength / 4);
  }
  return new Float32Array(t.data.slice().buffer);
}

/** An f32 tensor over existing elements (no copy). */
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

/** From here on a number rounds to infinity in f16, whose largest is 65504. */
const F16_OVERFLOW = 65520;
/** Largest code of an int8 element; -128 is not used. */
const INT8_MAX = 127;
/** A smaller scale is too coarse in f32 to divide by: such a row becomes zeros. */
const SMALLEST_SCALE = 2 ** -120;

/**
 * Makes hidden states f32 (rows, hidden) small for a link.
 *
 * - `f16`: relative error up to 2^-11. A tensor with a finite element too large for f16 stays f32.
 * - `int8`: symmetric, one scale max|row| / 127 a row; absolute error up to max|row| / 254. A row with a NaN or an infinity
 *   becomes all NaN: its receiver must see that it is damaged.
 *
 * `f32` is the same tensor; else its buffer is not kept and not changed.
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
 * Undoes {@linkcode encodeHidden}, whatever its wire was: f32 (rows, hidden). Throws `bad_frame`
 * (group `engine`).
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
    let sum = 0; // cannot overflow in f64: not finite only if an element is not
    for (let i = start; i < start + columns; i++) {
      sum += values[i];
      const size = Math.abs(values[i]);
      if (size > max) max = size;
    }
    scales[row] = Number.isFinite(sum) ? max / INT8_MAX : NaN;
    if (!(scales[row] >= SMALLEST_SCALE)) continue; // zeros, or damaged
    const inverse = 1 / scales[row];
    for (let i = start; i < start + columns; i++) {
      codes[i] = (values[i] * inverse + 128.5 | 0) - 128; // rounds
    }
  }
  return { dtype: "i8", shape: t.shape, data: new Uint8Array(codes.buffer), scales };
}

/**
 * The bytes of a tensor in a buffer, and at a place in it, that a view of elements so large may
 * begin at.
 */
function aligned({ data }: Tensor, bytes: number): ArrayBuffer {
  const whole = data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength;
  return whole && data.byteLength % bytes === 0 ? data.buffer as ArrayBuffer : data.slice().buffer;
}

function badHidden(message: string): OrreryError {
  return new OrreryError({ group: "engine", code: "bad_frame", message });
}
