/**
 * Reads weights back from a model store: what a test compares with the source.
 *
 * @module
 */
import type { Group, StoredModel } from "../models/mod.ts";

/** A stored tensor's values in its logical shape (Hugging Face orientation), row-major. */
export async function readStoredTensor(model: StoredModel, group: Group, key: string): Promise<Float32Array> {
  const blob = await Deno.readFile(model.blobPath(group.sha256));
  const { shape, format, data, scales } = group.tensors[key];
  const [rows, columns] = shape.length === 2 ? shape : [1, shape[0]];
  const bytes = blob.slice(data.offset, data.offset + data.bytes);
  const values = new Float32Array(rows * columns);
  if (format === "f32" || format === "f16") {
    const stored = format === "f32" ? new Float32Array(bytes.buffer) : new Float16Array(bytes.buffer);
    const transposed = shape.length === 2 && key !== "embed" && key !== "lm_head";
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        values[row * columns + column] = stored[transposed ? column * rows + row : row * columns + column];
      }
    }
    return values;
  }
  const scale = new Float32Array(blob.slice(scales!.offset, scales!.offset + scales!.bytes).buffer);
  const blocks = Math.ceil(columns / 32);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const block = row * blocks + (column >> 5), within = column & 31;
      const code = format === "q8"
        ? bytes[block * 32 + within] - 128
        : ((bytes[block * 16 + (within >> 1)] >> (4 * (within & 1))) & 15) - 8;
      values[row * columns + column] = code * scale[block];
    }
  }
  return values;
}
