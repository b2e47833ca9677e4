/**
 * A tensor as it travels and as the engine takes it.
 *
 * @module
 */
import { z } from "zod";

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
}

const dtypes = Object.keys(DTYPE_BYTES) as [DType, ...DType[]];

/** Schema of a tensor from outside: the byte length must match shape and dtype. */
export const tensorSchema: z.ZodType<Tensor> = z.object({
  dtype: z.enum(dtypes),
  shape: z.array(z.number().int().nonnegative()).max(8),
  data: z.instanceof(Uint8Array),
}).superRefine((t, ctx) => {
  const want = t.shape.reduce((a, b) => a * b, 1) * DTYPE_BYTES[t.dtype];
  if (t.data.byteLength !== want) {
    ctx.addIssue({
      code: "custom",
      message: `tensor ${t.dtype}[${t.shape}] needs ${want} bytes, got ${t.data.byteLength}`,
    });
  }
});

/** View of an f32 tensor's elements, without a copy when the bytes are aligned. */
export function asFloat32(t: Tensor): Float32Array {
  const { buffer, byteOffset, byteLength } = t.data;
  if (byteOffset % 4 === 0) return new Float32Array(buffer as ArrayBuffer, byteOffset, byteLength / 4);
  return new Float32Array(t.data.slice().buffer);
}

/** An f32 tensor over existing elements (no copy). */
export function fromFloat32(shape: number[], data: Float32Array): Tensor {
  return { dtype: "f32", shape, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}
