/**
 * A Hugging Face checkpoint folder: config.json, tokenizer files and safetensors, in one file or in
 * several (shards).
 *
 * @module
 */
import { join } from "node:path";
import { createHash } from "node:crypto";
import { z } from "zod";
import type { Packing } from "../arch/mod.ts";
import { modelError, reasonOf } from "../errors.ts";
import { readJsonFile } from "../files.ts";
import {
  elementBytes,
  firstNotFinite,
  headerLength,
  isReadable,
  parseHeader,
  toFloat32,
} from "./safetensors.ts";
import { packTensors } from "./packed.ts";
import type { PackedRows, PlacedTensor } from "./placed_tensor.ts";
import {
  HASHED_WHOLE_BYTES,
  PIECE_BYTES,
  type QuantisedPiece,
  type QuantisedTensor,
  type ReadOptions,
  type RowPiece,
  rowsIn,
  type WeightSource,
} from "./source.ts";

const INDEX = "model.safetensors.index.json";
const SINGLE = "model.safetensors";
/** Bytes that are hashed at a time. */
const HASH_BYTES = 4 << 20;

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** Options of {@linkcode Checkpoint.open}. */
export interface CheckpointOptions {
  /**
   * Gives tensors other names than those in the files; those for which it gives none are left out.
   */
  nameOf?: (name: string) => string | undefined;
  /** How weights are packed. @default none is */
  packing?: Packing;
}

/**
 * An opened checkpoint folder. It reads ranges, never a whole file. Dispose of it to close the
 * files.
 */
export class Checkpoint implements WeightSource {
  readonly dir: string;
  readonly tensors: ReadonlyMap<string, PlacedTensor>;
  readonly #files: Map<string, Deno.FsFile>;

  private constructor(
    dir: string,
    tensors: Map<string, PlacedTensor>,
    files: Map<string, Deno.FsFile>,
  ) {
    this.dir = dir;
    this.tensors = tensors;
    this.#files = files;
  }

  /**
   * Opens the weight files and checks all their headers. Throws OrreryError `model/`:
   * `weights_missing`, `shard_missing`, `shard_name`, `tensor_missing`, `file_unreadable`,
   * `file_malformed`, `folder_unreadable`, `safetensors_header`, `safetensors_truncated`.
   */
  static async open(
    dir: string,
    { nameOf = (name) => name, packing }: CheckpointOptions = {},
  ): Promise<Checkpoint> {
    const shards = await weightFiles(dir);
    const files = new Map<string, Deno.FsFile>();
    const tensors = new Map<string, PlacedTensor>();
    try {
      for (const [shard, wanted] of shards) {
        const file = await openShard(join(dir, shard));
        files.set(shard, file);
        const found = await readHeader(file, shard);
        for (const name of wanted ?? found.keys()) {
          const tensor = found.get(name);
          if (!tensor) {
            throw modelError(
              "tensor_missing",
              `${INDEX} says that ${shard} holds ${name}, but it does not`,
              { file: shard, tensor: name },
            );
          }
          const called = nameOf(name);
          if (called !== undefined) tensors.set(called, tensor);
        }
      }
    } catch (error) {
      for (const file of files.values()) file.close();
      throw error;
    }
    if (packing) packTensors(tensors, packing);
    return new Checkpoint(dir, tensors, files);
  }

  async *read(name: string, shape: number[], options: ReadOptions = {}): AsyncGenerator<RowPiece> {
    const tensor = this.check(name, shape);
    const { file: shard } = tensor;
    const { width } = rowsIn(shape);
    const packed = await tensor.packed?.open(this.#bytesOf, name);
    for (const { firstRow, rows } of rowPieces(shape, options)) {
      const values = packed
        ? await packed.values(firstRow, rows)
        : await this.#floats(tensor, { name, first: firstRow * width, count: rows * width });
      const bad = firstNotFinite(values);
      if (bad >= 0) {
        throw modelError(
          "tensor_not_finite",
          `${shard}, tensor ${name}: element ${firstRow * width + bad} is ${
            values[bad]
          }; the checkpoint is damaged`,
          { file: shard, tensor: name, element: firstRow * width + bad },
        );
      }
      yield { firstRow, rows, values };
    }
  }

  /** Reads elements of a tensor that is not packed, as f32. */
  async #floats(
    tensor: PlacedTensor,
    { name, first, count }: { name: string; first: number; count: number },
  ): Promise<Float32Array> {
    const size = elementBytes(tensor.dtype);
    const bytes = await this.#bytesOf(tensor, first * size, count * size, name);
    return toFloat32(bytes, tensor.dtype);
  }

  /** Reads codes and scales of a packed tensor, where a layout of ours holds them exactly. */
  quantised(
    name: string,
    shape: number[],
    format: "q4" | "q8",
    options: ReadOptions = {},
  ): QuantisedTensor | undefined {
    const { packed } = this.check(name, shape);
    const block = packed?.exact(format);
    return packed && block
      ? {
        block,
        pieces: codePieces(() => packed.open(this.#bytesOf, name), { shape, format, options }),
      }
      : undefined;
  }

  /** See `ReadBytes`; `name` is the tensor's, for messages. */
  readonly #bytesOf = async (
    { file, offset }: PlacedTensor,
    from: number,
    bytes: number,
    name?: string,
  ): Promise<Uint8Array<ArrayBuffer>> => {
    const into = new Uint8Array(bytes);
    await readAt(this.#files.get(file)!, offset + from, into, file, name);
    return into;
  };

  /**
   * A hash that identifies the weights and config.json. Weight files up to 64 MiB count by content,
   * larger ones by header, size and time of last change, which is cheap for a checkpoint of any
   * size.
   */
  async fingerprint(): Promise<string> {
    const hash = createHash("sha256");
    hash.update(await Deno.readFile(join(this.dir, "config.json")));
    for (const [shard, file] of this.#files) {
      const { size, mtime } = await file.stat();
      const whole = size <= HASHED_WHOLE_BYTES;
      hash.update(`\n${shard} ${size} ${whole ? "" : mtime?.getTime()}\n`);
      let length = size;
      if (!whole) {
        const first = new Uint8Array(8);
        await readAt(file, 0, first, shard);
        length = 8 + headerLength(first, size, shard);
      }
      const buffer = new Uint8Array(Math.min(length, HASH_BYTES));
      for (let at = 0; at < length; at += buffer.length) {
        const bytes = buffer.subarray(0, Math.min(buffer.length, length - at));
        await readAt(file, at, bytes, shard);
        hash.update(bytes);
      }
    }
    return hash.digest("hex");
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }

  check(name: string, shape: number[]): PlacedTensor {
    const tensor = this.tensors.get(name);
    if (!tensor) {
      throw modelError(
        "tensor_missing",
        `${this.dir} has no tensor ${name}, which its config.json calls for`,
        { file: this.dir, tensor: name },
      );
    }
    if (tensor.shape.length !== shape.length || tensor.shape.some((n, i) => n !== shape[i])) {
      throw modelError(
        "tensor_shape",
        `${tensor.file}, tensor ${name}: shape is [${tensor.shape}] where config.json calls for [${shape}]`,
        { file: tensor.file, tensor: name, shape: tensor.shape, expected: shape },
      );
    }
    if (!tensor.packed && !isReadable(tensor.dtype)) {
      const why = tensor.unpacked ??
        `dtype ${tensor.dtype} is not supported; F32, F16 and BF16 are`;
      throw modelError(
        "tensor_dtype",
        `${tensor.file}, tensor ${name}: ${why}`,
        { file: tensor.file, tensor: name, dtype: tensor.dtype },
      );
    }
    return tensor;
  }
}

/** Runs of whole rows of a tensor that are read at a time. */
function* rowPieces(
  shape: number[],
  { pieceBytes = PIECE_BYTES, firstRow = 0, signal }: ReadOptions,
): Generator<{ firstRow: number; rows: number }> {
  const { rows: total, width } = rowsIn(shape);
  const piece = Math.max(1, Math.floor(pieceBytes / (width * 4)));
  for (let first = firstRow; first < total; first += piece) {
    signal?.throwIfAborted();
    yield { firstRow: first, rows: Math.min(piece, total - first) };
  }
}

async function* codePieces(
  open: () => Promise<PackedRows>,
  { shape, format, options }: { shape: number[]; format: "q4" | "q8"; options: ReadOptions },
): AsyncGenerator<QuantisedPiece> {
  const packed = await open();
  for (const { firstRow, rows } of rowPieces(shape, options)) {
    yield { firstRow, rows, ...await packed.codes!(format, firstRow, rows) };
  }
}

/**
 * Weight files in the order of their names, each with the tensors that the index places in it
 * (undefined: all that it holds).
 */
async function weightFiles(dir: string): Promise<Map<string, string[] | undefined>> {
  const names = new Set<string>();
  try {
    for await (const entry of Deno.readDir(dir)) names.add(entry.name);
  } catch (error) {
    throw modelError(
      "folder_unreadable",
      `model folder ${dir} cannot be read: ${reasonOf(error)}`,
      { file: dir },
    );
  }
  if (names.has(INDEX)) {
    const parsed = indexSchema.safeParse(await readJsonFile(join(dir, INDEX)));
    if (!parsed.success || Object.keys(parsed.data.weight_map).length === 0) {
      throw modelError(
        "file_malformed",
        `${join(dir, INDEX)} has no weight_map of tensor names to file names`,
        { file: INDEX },
      );
    }
    const shards = new Map<string, string[]>();
    for (const [tensor, shard] of Object.entries(parsed.data.weight_map)) {
      if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*\.safetensors$/.test(shard)) {
        throw modelError(
          "shard_name",
          `${INDEX} places ${tensor} in ${
            JSON.stringify(shard)
          }, which is not the name of a safetensors file in this folder`,
          { file: shard, tensor },
        );
      }
      if (!names.has(shard)) {
        throw modelError(
          "shard_missing",
          `${join(dir, shard)} is missing; ${INDEX} places ${tensor} in it`,
          { file: shard, tensor },
        );
      }
      const list = shards.get(shard);
      if (list) list.push(tensor);
      else shards.set(shard, [tensor]);
    }
    return new Map([...shards].sort(([a], [b]) => a < b ? -1 : 1));
  }
  if (names.has(SINGLE)) return new Map([[SINGLE, undefined]]);
  const pickled = [...names].find((name) => /^pytorch_model.*\.bin$/.test(name));
  throw modelError(
    "weights_missing",
    `${dir} has neither ${SINGLE} nor ${INDEX}` +
      (pickled ? `; ${pickled} is a pickle, which is not read: convert it to safetensors` : ""),
    { file: dir },
  );
}

async function openShard(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { read: true });
  } catch (error) {
    throw modelError("file_unreadable", `${path} cannot be opened: ${reasonOf(error)}`, {
      file: path,
    });
  }
}

async function readHeader(file: Deno.FsFile, shard: string): Promise<Map<string, PlacedTensor>> {
  const { size } = await file.stat();
  const first = new Uint8Array(Math.min(8, size));
  await readAt(file, 0, first, shard);
  const json = new Uint8Array(headerLength(first, size, shard));
  await readAt(file, 8, json, shard);
  return parseHeader(json, size, shard);
}

/** Fills `into` with the bytes of the file from byte `position` on. */
async function readAt(
  file: Deno.FsFile,
  position: number,
  into: Uint8Array,
  shard: string,
  tensor?: string,
) {
  await file.seek(position, Deno.SeekMode.Start);
  for (let filled = 0; filled < into.length;) {
    const count = await file.read(into.subarray(filled));
    if (count === null) {
      throw modelError(
        "safetensors_truncated",
        `${shard}${tensor ? `, tensor ${tensor}` : ""}: the file ends ${
          into.length - filled
        } bytes too early`,
        { file: shard, tensor },
      );
    }
    filled += count;
  }
}
