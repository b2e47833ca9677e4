/**
 * The weights of a stored model as f32, read back from its blobs.
 *
 * @module
 */
import { layerTensors, type TensorSpec } from "../arch/mod.ts";
import { modelError } from "../errors.ts";
import { BLOCK, type Manifest, type TensorEntry } from "../manifest.ts";
import { blocksOf, SYMMETRIC } from "../quantise.ts";
import {
  PIECE_BYTES,
  type ReadOptions,
  type RowPiece,
  rowsIn,
  type SourceTensor,
  type WeightSource,
} from "../sources/mod.ts";
import type { Journal } from "./conversion.ts";
import { isLayer, LAYER } from "./planned_groups.ts";

/** Roles of matrices whose elements are stored transposed in f32 and f16. */
const TRANSPOSED: readonly TensorSpec["role"][] = ["projection", "router", "kernel"];

/** A tensor of a group in the store. */
interface StoredTensor extends SourceTensor {
  entry: TensorEntry;
  role: TensorSpec["role"];
  /** Path of the blob. */
  path: string;
}

/** Reads rows of stored tensors; a tensor's name is `<group>/<key>`, e.g. `layer 3/attn.q`. */
export class StoredWeights implements WeightSource {
  readonly tensors: ReadonlyMap<string, StoredTensor>;

  /** The tensors of these groups, whose blobs lie where `pathOf` says. */
  constructor(
    groups: Journal,
    geometry: Manifest["geometry"],
    pathOf: (sha256: string) => string,
  ) {
    const tensors = new Map<string, StoredTensor>();
    for (const [group, { sha256, tensors: entries }] of Object.entries(groups)) {
      for (const [key, entry] of Object.entries(entries)) {
        const path = pathOf(sha256);
        const { shape, format, data, scales, zeros } = entry;
        tensors.set(`${group}/${key}`, {
          dtype: format,
          shape,
          file: path,
          bytes: data.bytes + (scales?.bytes ?? 0) + (zeros?.bytes ?? 0),
          entry,
          role: roleOf(group, key, geometry),
          path,
        });
      }
    }
    this.tensors = tensors;
  }

  /** The tensors of a group, as a conversion takes them. */
  specsOf(group: string): TensorSpec[] {
    return [...this.tensors].filter(([name]) => name.startsWith(`${group}/`)).map((
      [name, { shape, role }],
    ) => ({ key: name.slice(group.length + 1), name, shape, role }));
  }

  check(name: string, shape: number[]): StoredTensor {
    const tensor = this.tensors.get(name);
    if (tensor && tensor.shape.join() === shape.join()) return tensor;
    const found = tensor ? `has shape [${tensor.shape}], not [${shape}]` : "is not in the manifest";
    throw modelError("bad_tensor", `tensor ${name} ${found}; add the model again`, { name });
  }

  async *read(
    name: string,
    shape: number[],
    { pieceBytes = PIECE_BYTES, firstRow: begin = 0, signal }: ReadOptions = {},
  ): AsyncGenerator<RowPiece> {
    const tensor = this.check(name, shape);
    const { rows: all, width } = rowsIn(shape);
    const most = Math.max(1, Math.floor(pieceBytes / 4 / width));
    using file = await open(tensor.path);
    const read = await readerOf(tensor, file, { all, width });
    for (let firstRow = begin; firstRow < all; firstRow += most) {
      signal?.throwIfAborted();
      const rows = Math.min(most, all - firstRow);
      yield { firstRow, rows, values: await read(firstRow, rows) };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function roleOf(group: string, key: string, geometry: Manifest["geometry"]): TensorSpec["role"] {
  if (!isLayer({ key: group })) return /^(embed|lm_head)$/.test(key) ? "vocabulary" : "norm";
  return layerTensors(geometry, Number(group.slice(LAYER.length))).get(key)?.role ?? "norm";
}

/** A function that gives some rows f32 (rows, width) of a tensor. */
async function readerOf(
  { entry, role, path }: StoredTensor,
  file: Deno.FsFile,
  { all, width }: { all: number; width: number },
): Promise<(firstRow: number, rows: number) => Promise<Float32Array>> {
  const { format, data, block = BLOCK } = entry;
  const bytes = (at: number, count: number) => readRange(file, path, at, count);
  if (format === "f32" || format === "f16") {
    const size = format === "f32" ? 4 : 2;
    const widened = (raw: Uint8Array<ArrayBuffer>) =>
      format === "f32"
        ? new Float32Array(raw.buffer)
        : Float32Array.from(new Float16Array(raw.buffer));
    if (!TRANSPOSED.includes(role)) {
      return async (firstRow, rows) =>
        widened(await bytes(data.offset + firstRow * width * size, rows * width * size));
    }
    const turned = widened(await bytes(data.offset, data.bytes)); // (width, all)
    return (firstRow, rows) => {
      const values = new Float32Array(rows * width);
      for (let i = 0; i < width; i++) {
        for (let row = 0; row < rows; row++) {
          values[row * width + i] = turned[i * all + firstRow + row];
        }
      }
      return Promise.resolve(values);
    };
  }
  const blocks = blocksOf(width, block);
  const rowBytes = blocks * block / (format === "q4" ? 2 : 1);
  const zeroBytes = Math.ceil(blocks / 2);
  return async (firstRow, rows) => {
    const codes = await bytes(data.offset + firstRow * rowBytes, rows * rowBytes);
    const scales = new Float32Array(
      (await bytes(entry.scales!.offset + firstRow * blocks * 4, rows * blocks * 4)).buffer,
    );
    const zeros = entry.zeros &&
      await bytes(entry.zeros.offset + firstRow * zeroBytes, rows * zeroBytes);
    const values = new Float32Array(rows * width);
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < width; i++) {
        const n = Math.floor(i / block);
        const scale = scales[row * blocks + n];
        if (format === "q8") {
          values[row * width + i] = (codes[row * rowBytes + i] - 128) * scale;
          continue;
        }
        const code = nibbleAt(codes, row * rowBytes, i);
        const zero = zeros ? nibbleAt(zeros, row * zeroBytes, n) : SYMMETRIC;
        values[row * width + i] = (code - zero) * scale;
      }
    }
    return values;
  };
}

/** Nibble `i`, low one of a byte first, from byte `from` on. */
const nibbleAt = (bytes: Uint8Array, from: number, i: number): number =>
  (bytes[from + (i >> 1)] >> (4 * (i & 1))) & 15;

async function open(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { read: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const message =
      `blob ${path} is not on this node; add the model again, or start a node with it`;
    throw modelError("file_missing", message, { file: path });
  }
}

async function readRange(
  file: Deno.FsFile,
  path: string,
  offset: number,
  count: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(count);
  await file.seek(offset, Deno.SeekMode.Start);
  for (let filled = 0; filled < count;) {
    const got = await file.read(bytes.subarray(filled));
    if (got === null) {
      const message = `blob ${path} ends ${
        count - filled
      } bytes too early; models verify says more`;
      throw modelError("file_unreadable", message, { file: path });
    }
    filled += got;
  }
  return bytes;
}
