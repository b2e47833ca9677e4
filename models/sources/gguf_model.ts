/**
 * A GGUF file as a checkpoint: its tensors with rows in the order of Hugging Face, and config.json
 * and tokenizer files made from its metadata.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { TensorPlan } from "../arch/mod.ts";
import { modelError } from "../errors.ts";
import { BLOCK, type Geometry, type Precision } from "../manifest.ts";
import { ggufError, type GgufHeader } from "./gguf.ts";
import { configOf, type RotationTables } from "./gguf_config.ts";
import { familyOf } from "./gguf_families.ts";
import type { GgufFamily } from "./gguf_family.ts";
import { Metadata } from "./gguf_metadata.ts";
import { planInGguf } from "./gguf_names.ts";
import { type GgufPart, type GgufParts, openGgufParts } from "./gguf_parts.ts";
import { carryOver, dequantise, GGUF_TYPES, isCarried, keptBy } from "./gguf_quant.ts";
import { type PlacedGgufTensor, placedTensors, unpermuted } from "./gguf_tensors.ts";
import { tokenizerOf } from "./gguf_tokenizer.ts";
import { firstNotFinite } from "./safetensors.ts";
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

/** Largest table of factors that is read, in bytes. */
const MAX_TABLE_BYTES = 65536;

/**
 * An opened GGUF file, with all its parts. It reads ranges, never the whole file. Dispose of it to
 * close the files.
 */
export class GgufModel implements WeightSource {
  readonly path: string;
  /** Tensors by their name in the file. */
  readonly tensors: ReadonlyMap<string, PlacedGgufTensor>;
  readonly #family: GgufFamily;
  /** The contents that config.json would have. */
  readonly config: Record<string, unknown>;
  /** Text files by name: config.json, tokenizer.json and tokenizer_config.json. */
  readonly texts: Map<string, Uint8Array>;
  /** The least precision that loses little of what the file holds, see {@linkcode keptBy}. */
  readonly precision: Precision;
  readonly #parts: GgufPart[];
  readonly #header: GgufHeader;

  private constructor(path: string, { parts, header }: GgufParts) {
    this.path = path;
    this.#parts = parts;
    this.#header = header;
    this.precision = keptBy(mainType(header));
    const meta = new Metadata(header, path);
    const family = this.#family = familyOf(meta, path);
    const embedding = header.tensors.get("token_embd.weight");
    if (!embedding) {
      throw modelError("tensor_missing", `${path} has no tensor token_embd.weight`, { file: path });
    }
    const config = configOf(meta, embedding.shape[0], this.#tables(), path);
    this.tensors = placedTensors(header, family, Number(config["head_dim"]), path);
    const { tokenizer, settings, bos, ends } = tokenizerOf(header.metadata, path);
    this.config = { ...config, bos_token_id: bos, eos_token_id: ends };
    const texts = {
      "config.json": this.config,
      "tokenizer.json": tokenizer,
      "tokenizer_config.json": settings,
    };
    const encoder = new TextEncoder();
    this.texts = new Map(
      Object.entries(texts).map((
        [file, json],
      ) => [file, encoder.encode(JSON.stringify(json, null, 1))]),
    );
  }

  /**
   * Opens a file and checks its header. Throws OrreryError `model/`: `gguf_malformed`,
   * `gguf_unsupported`, `architecture_unknown`, `feature_unsupported`, `tensor_dtype`,
   * `file_unreadable`.
   */
  static async open(path: string): Promise<GgufModel> {
    const opened = await openGgufParts(path);
    try {
      return new GgufModel(path, opened);
    } catch (error) {
      for (const { file } of opened.parts) file.close();
      throw error;
    }
  }

  /** Where the tensors of a checkpoint's plan stand in this file. */
  planned(plan: TensorPlan, geometry: Geometry): TensorPlan {
    return planInGguf(plan, {
      geometry,
      places: this.#family,
      has: (name) => this.tensors.has(name),
    });
  }

  check(name: string, shape: number[]): PlacedGgufTensor {
    const tensor = this.tensors.get(name);
    if (!tensor) {
      throw modelError(
        "tensor_missing",
        `${this.path} has no tensor ${name}, which its metadata call for`,
        { file: this.path, tensor: name },
      );
    }
    const { gguf, shape: found } = tensor;
    if (found.length !== shape.length || found.some((n, i) => n !== shape[i])) {
      throw modelError(
        "tensor_shape",
        `${this.path}, tensor ${gguf.name}: shape is [${found}] where the metadata call for [${shape}]`,
        { file: this.path, tensor: gguf.name, shape: found, expected: shape },
      );
    }
    const readable = shape.length === 1
      ? GGUF_TYPES.filter((type) => /^B?F/.test(type))
      : GGUF_TYPES;
    if (!readable.includes(gguf.type)) {
      const known = readable.join(", ");
      throw ggufError(
        "tensor_dtype",
        this.path,
        `element type ${gguf.type} (supported: ${known})`,
        gguf.name,
      );
    }
    return tensor;
  }

  async *read(name: string, shape: number[], options: ReadOptions = {}): AsyncGenerator<RowPiece> {
    const tensor = this.check(name, shape);
    const { gguf, undone } = tensor;
    for await (const { firstRow, rows, bytes, rowElements } of this.#pieces(tensor, options)) {
      const values = dequantise(gguf.type, bytes, rows * rowElements);
      const bad = firstNotFinite(values);
      if (bad >= 0) {
        throw modelError(
          "tensor_not_finite",
          `${this.path}, tensor ${gguf.name}: a value of the rows from ${firstRow} is ${
            values[bad]
          }; the file is damaged`,
          { file: this.path, tensor: gguf.name },
        );
      }
      if (undone) undone(values);
      yield { firstRow, rows, values };
    }
  }

  /**
   * Reads the tensor's codes and scales in one of our layouts, if it holds the file's blocks
   * exactly; else undefined.
   */
  quantised(
    name: string,
    shape: number[],
    format: "q4" | "q8",
    options: ReadOptions = {},
  ): QuantisedTensor | undefined {
    const tensor = this.check(name, shape);
    return isCarried(tensor.gguf.type, format)
      ? { block: BLOCK, pieces: this.#carried(tensor, format, options) }
      : undefined;
  }

  async *#carried(
    tensor: PlacedGgufTensor,
    format: "q4" | "q8",
    options: ReadOptions,
  ): AsyncGenerator<QuantisedPiece> {
    const { gguf } = tensor;
    for await (const { firstRow, rows, bytes } of this.#pieces(tensor, options)) {
      const { codes, scales } = carryOver(gguf.type, format, bytes);
      if (firstNotFinite(scales) >= 0) {
        throw modelError(
          "tensor_not_finite",
          `${this.path}, tensor ${gguf.name}: a scale of the rows from ${firstRow} is not finite; the file is damaged`,
          { file: this.path, tensor: gguf.name },
        );
      }
      yield { firstRow, rows, codes, scales };
    }
  }

  /**
   * A hash that identifies the file and its parts. Up to 64 MiB each counts by content, a larger one
   * by header, size and time of last change.
   */
  async fingerprint(): Promise<string> {
    const hash = createHash("sha256");
    for (const [part, { file, headerBytes }] of this.#parts.entries()) {
      const { size, mtime } = await file.stat();
      const whole = size <= HASHED_WHOLE_BYTES;
      hash.update(`gguf ${size} ${whole ? "" : mtime?.getTime()}\n`);
      const end = whole ? size : headerBytes;
      for (let at = 0; at < end; at += PIECE_BYTES) {
        const bytes = new Uint8Array(Math.min(PIECE_BYTES, end - at));
        await this.#readAt(part, at, bytes);
        hash.update(bytes);
      }
    }
    return hash.digest("hex");
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { file } of this.#parts) file.close();
  }

  /** Reads whole rows in Hugging Face order; of a tensor with reordered rows, whole heads. */
  async *#pieces(
    { gguf, shape, permutedBy }: PlacedGgufTensor,
    { pieceBytes = PIECE_BYTES, firstRow: from = 0, signal }: ReadOptions,
  ): AsyncGenerator<
    { firstRow: number; rows: number; bytes: Uint8Array<ArrayBuffer>; rowElements: number }
  > {
    const { rows: total, width: rowElements } = rowsIn(shape);
    const rowBytes = gguf.bytes / total;
    let piece = Math.max(1, Math.floor(pieceBytes / (rowElements * 4)));
    if (permutedBy) piece = Math.max(1, Math.floor(piece / permutedBy)) * permutedBy;
    const start = permutedBy ? from - from % permutedBy : from;
    for (let firstRow = start; firstRow < total; firstRow += piece) {
      signal?.throwIfAborted();
      const rows = Math.min(piece, total - firstRow);
      const bytes = new Uint8Array(rows * rowBytes);
      await this.#readAt(gguf.part, gguf.offset + firstRow * rowBytes, bytes, gguf.name);
      yield {
        firstRow,
        rows,
        bytes: permutedBy ? unpermuted(bytes, rowBytes, permutedBy) : bytes,
        rowElements,
      };
    }
  }

  async #readAt(
    part: number,
    position: number,
    into: Uint8Array,
    tensor?: string,
  ): Promise<void> {
    const { file, path } = this.#parts[part];
    await file.seek(position, Deno.SeekMode.Start);
    for (let filled = 0; filled < into.length;) {
      const count = await file.read(into.subarray(filled));
      if (count === null) {
        throw ggufError("gguf_malformed", path, "the file has become shorter", tensor);
      }
      filled += count;
    }
  }

  /** Reads the small tables of factors that a config.json would hold. */
  #tables(): RotationTables {
    const read = (stem: string): number[] | undefined => {
      const tensor = this.#header.tensors.get(`${stem}.weight`);
      if (!tensor) return undefined;
      if (tensor.type !== "F32" || tensor.bytes > MAX_TABLE_BYTES) {
        throw ggufError("gguf_malformed", this.path, "it is no small F32 table", tensor.name);
      }
      const bytes = new Uint8Array(tensor.bytes);
      const { file } = this.#parts[tensor.part];
      file.seekSync(tensor.offset, Deno.SeekMode.Start);
      for (let filled = 0; filled < bytes.length;) {
        filled += file.readSync(bytes.subarray(filled)) ?? Infinity;
      }
      return [...new Float32Array(bytes.buffer)];
    };
    return {
      rope_freqs: read("rope_freqs"),
      rope_factors_long: read("rope_factors_long"),
      rope_factors_short: read("rope_factors_short"),
    };
  }
}

/** The element type of most of a file's weights. */
function mainType({ tensors }: GgufHeader): string {
  const counts = new Map<string, number>();
  for (const { type, shape } of tensors.values()) {
    const count = shape.length < 2 ? 0 : shape.reduce((a, b) => a * b, 1);
    counts.set(type, (counts.get(type) ?? 0) + count);
  }
  return [...counts].reduce((most, other) => other[1] > most[1] ? other : most, ["", -1])[0];
}
