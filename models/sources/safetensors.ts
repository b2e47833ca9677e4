/**
 * The safetensors format: 8 bytes with the length of the header, a header in JSON, then the bytes
 * of the tensors without gaps.
 *
 * @module
 */
import { z } from "zod";
import { modelError } from "../errors.ts";
import type { PlacedTensor } from "./placed_tensor.ts";
import type { SourceTensor } from "./source.ts";

/** Longest header that is read, in bytes (the limit of the reference implementation). */
export const MAX_HEADER_BYTES = 100_000_000;

const ELEMENT_BYTES: Record<string, number> = { F32: 4, F16: 2, BF16: 2 };
/** Types that are read as parts of others. */
const PART_BYTES: Record<string, number> = { U8: 1, I8: 1, F8_E4M3: 1, I32: 4, U32: 4 };
const dimension = z.number().int().nonnegative().max(2 ** 40);
const headerSchema = z.record(
  z.string(),
  z.object({
    dtype: z.string(),
    shape: z.array(dimension).max(8),
    data_offsets: z.tuple([dimension, dimension]),
  }),
);

/**
 * Bytes of the JSON header, from the file's first 8 bytes. Throws OrreryError
 * `model/safetensors_header` or `model/safetensors_truncated` for a length that cannot be right.
 */
export function headerLength(first: Uint8Array, fileBytes: number, file: string): number {
  if (first.length < 8) {
    throw modelError(
      "safetensors_truncated",
      `${file} has ${fileBytes} bytes, too few for a safetensors header`,
      { file, bytes: fileBytes },
    );
  }
  const length = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw modelError(
      "safetensors_header",
      `${file} announces a header of ${length} bytes; at most ${MAX_HEADER_BYTES} are read`,
      { file, bytes: Number(length) },
    );
  }
  if (8 + Number(length) > fileBytes) {
    throw modelError(
      "safetensors_truncated",
      `${file} announces a header of ${length} bytes but the file has ${fileBytes}; fetch it again`,
      { file, bytes: fileBytes },
    );
  }
  return Number(length);
}

/**
 * The tensors of a file, from its JSON header. Every offset is checked: tensors neither overlap nor
 * leave gaps nor reach past the end of the file, and each has the bytes that its dtype and shape
 * need.
 */
export function parseHeader(
  json: Uint8Array,
  fileBytes: number,
  file: string,
): Map<string, PlacedTensor> {
  const about = (tensor: string | undefined, why: string) =>
    tensor === undefined ? `${file}: ${why}` : `${file}, tensor ${tensor}: ${why}`;
  const bad = (why: string, tensor?: string) =>
    modelError("safetensors_header", about(tensor, why), { file, tensor });
  let raw: Record<string, unknown>;
  try {
    raw = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
    delete raw["__metadata__"];
  } catch {
    throw bad("the header is not JSON");
  }
  const parsed = headerSchema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw bad(`the header is malformed at ${issue.path.join(".") || "its top"}: ${issue.message}`);
  }
  const start = 8 + json.length;
  const ordered = Object.entries(parsed.data).sort(([, a], [, b]) =>
    a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1]
  );
  const tensors = new Map<string, PlacedTensor>();
  let end = 0;
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of ordered) {
    const bytes = to - from;
    if (from < end) throw bad(`its bytes ${from}-${to} overlap those of another tensor`, name);
    if (from > end) throw bad(`${from - end} bytes before it belong to no tensor`, name);
    if (start + to > fileBytes) {
      const why = `its bytes end at ${start + to} but the file has ${fileBytes}; fetch it again`;
      throw modelError("safetensors_truncated", about(name, why), { file, tensor: name });
    }
    const element = ELEMENT_BYTES[dtype] ?? PART_BYTES[dtype];
    if (element !== undefined) {
      const want = shape.reduce((a, b) => a * b, 1) * element;
      if (want !== bytes) {
        throw bad(`${dtype} [${shape}] needs ${want} bytes, its offsets give ${bytes}`, name);
      }
    }
    // Other dtypes (such as the integer buffers of old checkpoints) are refused only if the model
    // needs such a tensor.
    tensors.set(name, { dtype, shape, file, bytes, offset: start + from });
    end = to;
  }
  if (start + end !== fileBytes) {
    throw bad(`${fileBytes - start - end} bytes after the last tensor belong to none`);
  }
  return tensors;
}

/** Whether elements of this type can be read. */
export const isReadable = (dtype: string): boolean => Object.hasOwn(ELEMENT_BYTES, dtype);

/** Bytes of one element of a readable type. */
export const elementBytes = (dtype: SourceTensor["dtype"]): number => ELEMENT_BYTES[dtype];

let halves: Float32Array | undefined;

/** The value of each of the 65536 f16 bit patterns. */
export function halfValues(): Float32Array {
  return halves ??= Float32Array.from(
    new Float16Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer),
  );
}

/**
 * Converts little-endian elements to f32. `bytes` must be aligned to the element. For F32 the
 * result is a view, not a copy.
 */
export function toFloat32(
  bytes: Uint8Array<ArrayBuffer>,
  dtype: SourceTensor["dtype"],
): Float32Array {
  if (dtype === "F32") {
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  }
  const bits = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  const values = new Float32Array(bits.length);
  if (dtype === "BF16") {
    const words = new Uint32Array(values.buffer);
    for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16;
    return values;
  }
  const table = halfValues();
  for (let i = 0; i < bits.length; i++) values[i] = table[bits[i]];
  return values;
}

/** Index of the first NaN or infinite value, or -1. */
export function firstNotFinite(values: Float32Array): number {
  // x * 0 is 0 for a finite x and NaN otherwise, so one sum tells whether there is any.
  let probe = 0;
  for (let i = 0; i < values.length; i++) probe += values[i] * 0;
  return probe === 0 ? -1 : values.findIndex((v) => !Number.isFinite(v));
}
