/**
 * Reads weights back from a model store: what a test compares with the source.
 *
 * @module
 */
import { join } from "node:path";
import { BLOCK, type Group, type StoredModel } from "../../models/mod.ts";

/** A stored tensor's values in its logical shape (Hugging Face orientation), row-major. */
export async function readStoredTensor(
  model: Pick<StoredModel, "blobsDir">,
  group: Group,
  key: string,
): Promise<Float32Array> {
  const blob = await Deno.readFile(join(model.blobsDir, group.sha256));
  const { shape, format, block: size = BLOCK, data, scales, zeros } = group.tensors[key];
  const [rows, columns] = shape.length === 2 ? shape : [1, shape[0]];
  const bytes = blob.slice(data.offset, data.offset + data.bytes);
  const values = new Float32Array(rows * columns);
  if (format === "f32" || format === "f16") {
    const stored = format === "f32"
      ? new Float32Array(bytes.buffer)
      : new Float16Array(bytes.buffer);
    const asIs = key === "embed" || key === "lm_head" || key.startsWith("mlp.experts.");
    const transposed = shape.length === 2 && !asIs;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        values[row * columns + column] =
          stored[transposed ? column * rows + row : row * columns + column];
      }
    }
    return values;
  }
  const scale = new Float32Array(blob.slice(scales!.offset, scales!.offset + scales!.bytes).buffer);
  const blocks = Math.ceil(columns / size);
  const nibble = (packed: Uint8Array, at: number) => (packed[at >> 1] >> (4 * (at & 1))) & 15;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const inRow = Math.floor(column / size), within = column % size;
      const block = row * blocks + inRow;
      const zeroAt = row * 2 * Math.ceil(blocks / 2) + inRow;
      const zero = zeros ? nibble(blob.subarray(zeros.offset), zeroAt) : 8;
      const code = format === "q8"
        ? bytes[block * size + within] - 128
        : nibble(bytes, block * size + within) - zero;
      values[row * columns + column] = code * scale[block];
    }
  }
  return values;
}
