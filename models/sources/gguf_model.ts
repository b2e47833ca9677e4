/**
 * A GGUF file as a checkpoint: Hugging Face names and rows, config.json and tokenizer files made
 * from its metadata.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { modelError, reasonOf } from "../errors.ts";
import { ggufError, type GgufHeader, type GgufTensor, readGgufHeader } from "./gguf.ts";
import {
  configOf,
  familyOf,
  type GgufFamily,
  huggingFaceName,
  Metadata,
  type Tables,
} from "./gguf_config.ts";
import { carryOver, dequantise, GGUF_TYPES, isCarried } from "./gguf_quant.ts";
import { tokenizerOf } from "./gguf_tokenizer.ts";
import { firstNotFinite } from "./safetensors.ts";
import type {
  QuantisedPiece,
  ReadOptions,
  RowPiece,
  SourceTensor,
  WeightSource,
} from "./source.ts";

const PIECE_BYTES = 8 << 20;

interface Placed extends SourceTensor {
  gguf: GgufTensor;
  /** Added to every value. */
  shift: number;
  /** Rows of a head, where llama.cpp reordered them. */
  permutedBy?: number;
}

/** An opened GGUF file; reads by range. Dispose of it to close the file. */
export class GgufModel implements WeightSource {
  readonly path: string;
  /** By Hugging Face name. */
  readonly tensors: ReadonlyMap<string, Placed>;
  /** What config.json would say. */
  readonly config: Record<string, unknown>;
  /** config.json, tokenizer.json and tokenizer_config.json. */
  readonly texts: Map<string, Uint8Array>;
  readonly #file: Deno.FsFile;
  readonly #header: GgufHeader;

  private constructor(path: string, file: Deno.FsFile, header: GgufHeader) {
    this.path = path;
    this.#file = file;
    this.#header = header;
    const meta = new Metadata(header, path);
    const family = familyOf(meta, path);
    const embedding = header.tensors.get("token_embd.weight");
    if (!embedding) {
      throw modelError("tensor_missing", `${path} has no tensor token_embd.weight`, { file: path });
    }
    const config = configOf(meta, embedding.shape[0], this.#tables(), path);
    this.tensors = place(header, family, Number(config["head_dim"]), path);
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

  /** Opens a file and checks its header. Throws `gguf_malformed`, `gguf_unsupported`. */
  static async open(path: string): Promise<GgufModel> {
    let file: Deno.FsFile;
    try {
      file = await Deno.open(path, { read: true });
    } catch (error) {
      throw modelError("file_unreadable", `${path} cannot be opened: ${reasonOf(error)}`, {
        file: path,
      });
    }
    try {
      return new GgufModel(path, file, readGgufHeader(file, path));
    } catch (error) {
      file.close();
      throw error;
    }
  }

  check(name: string, shape: number[]): Placed {
    const tensor = this.tensors.get(name);
    if (!tensor) {
      throw modelError(
        "tensor_missing",
        `${this.path} has no tensor for ${name}, which its metadata call for`,
        {
          file: this.path,
          tensor: name,
        },
      );
    }
    const { gguf } = tensor;
    if (gguf.shape.length !== shape.length || gguf.shape.some((n, i) => n !== shape[i])) {
      throw modelError(
        "tensor_shape",
        `${this.path}, tensor ${gguf.name}: shape is [${gguf.shape}] where the metadata call for [${shape}]`,
        { file: this.path, tensor: gguf.name, shape: gguf.shape, expected: shape },
      );
    }
    const readable = shape.length === 1
      ? GGUF_TYPES.filter((type) => /^B?F/.test(type))
      : GGUF_TYPES;
    if (!readable.includes(gguf.type)) {
      const known = readable.join(", ");
      throw ggufError(
        "gguf_unsupported",
        this.path,
        `element type ${gguf.type} (supported: ${known})`,
        gguf.name,
      );
    }
    return tensor;
  }

  async *read(name: string, shape: number[], options: ReadOptions = {}): AsyncGenerator<RowPiece> {
    const tensor = this.check(name, shape);
    const { gguf, shift } = tensor;
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
      if (shift !== 0) { for (let i = 0; i < values.length; i++) values[i] += shift; }
      yield { firstRow, rows, values };
    }
  }

  /**
   * The tensor in one of our layouts without a second rounding; undefined where the file's blocks
   * do not allow that.
   */
  quantised(
    name: string,
    shape: number[],
    format: "q4" | "q8",
    options: ReadOptions = {},
  ): AsyncIterable<QuantisedPiece> | undefined {
    const tensor = this.check(name, shape);
    return isCarried(tensor.gguf.type, format) ? this.#carried(tensor, format, options) : undefined;
  }

  async *#carried(
    tensor: Placed,
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
   * Identity of the file: its header and, up to 64 MiB, its content; of larger ones size and time
   * of change.
   */
  async fingerprint(): Promise<string> {
    const { size, mtime } = await this.#file.stat();
    const whole = size <= 64 << 20;
    const hash = createHash("sha256").update(`gguf ${size} ${whole ? "" : mtime?.getTime()}\n`);
    const end = whole ? size : this.#header.bytes;
    for (let at = 0; at < end; at += PIECE_BYTES) {
      const bytes = new Uint8Array(Math.min(PIECE_BYTES, end - at));
      await this.#readAt(at, bytes);
      hash.update(bytes);
    }
    return hash.digest("hex");
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    this.#file.close();
  }

  /** The bytes of whole rows, in Hugging Face order; of a reordered tensor whole heads. */
  async *#pieces(
    { gguf, permutedBy }: Placed,
    { pieceBytes = PIECE_BYTES, signal }: ReadOptions,
  ): AsyncGenerator<
    { firstRow: number; rows: number; bytes: Uint8Array<ArrayBuffer>; rowElements: number }
  > {
    const total = gguf.shape[0];
    const rowElements = gguf.shape.slice(1).reduce((a, b) => a * b, 1);
    const rowBytes = gguf.bytes / total;
    let piece = Math.max(1, Math.floor(pieceBytes / (rowElements * 4)));
    if (permutedBy) piece = Math.max(1, Math.floor(piece / permutedBy)) * permutedBy;
    for (let firstRow = 0; firstRow < total; firstRow += piece) {
      signal?.throwIfAborted();
      const rows = Math.min(piece, total - firstRow);
      const bytes = new Uint8Array(rows * rowBytes);
      await this.#readAt(gguf.offset + firstRow * rowBytes, bytes, gguf.name);
      yield {
        firstRow,
        rows,
        bytes: permutedBy ? unpermuted(bytes, rowBytes, permutedBy) : bytes,
        rowElements,
      };
    }
  }

  async #readAt(position: number, into: Uint8Array, tensor?: string): Promise<void> {
    await this.#file.seek(position, Deno.SeekMode.Start);
    for (let filled = 0; filled < into.length;) {
      const count = await this.#file.read(into.subarray(filled));
      if (count === null) {
        throw ggufError("gguf_malformed", this.path, "the file has become shorter", tensor);
      }
      filled += count;
    }
  }

  /** Small tables of factors, which config.json holds. */
  #tables(): Tables {
    const read = (stem: string): number[] | undefined => {
      const tensor = this.#header.tensors.get(`${stem}.weight`);
      if (!tensor) return undefined;
      if (tensor.type !== "F32" || tensor.bytes > 65536) {
        throw ggufError("gguf_malformed", this.path, "it is no small F32 table", tensor.name);
      }
      const bytes = new Uint8Array(tensor.bytes);
      this.#file.seekSync(tensor.offset, Deno.SeekMode.Start);
      for (let filled = 0; filled < bytes.length;) {
        filled += this.#file.readSync(bytes.subarray(filled)) ?? Infinity;
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

/** llama.cpp's row 2i + half of a head is Hugging Face's row half * head_dim / 2 + i. */
function unpermuted(
  bytes: Uint8Array<ArrayBuffer>,
  rowBytes: number,
  head: number,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length);
  const half = head / 2;
  for (let row = 0; row < bytes.length / rowBytes; row++) {
    const within = row % head, first = row - within;
    const from = first + 2 * (within % half) + Math.floor(within / half);
    out.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), row * rowBytes);
  }
  return out;
}

function place(
  header: GgufHeader,
  family: GgufFamily,
  headDim: number,
  path: string,
): Map<string, Placed> {
  const placed = new Map<string, Placed>();
  for (const gguf of header.tensors.values()) {
    const name = huggingFaceName(gguf.name, family);
    if (name === undefined) continue;
    const isGain = gguf.name.endsWith("norm.weight");
    const permuted = family.permuted && /\.attn_[qk]\.(weight|bias)$/.test(gguf.name);
    if (permuted && (headDim % 2 !== 0 || gguf.shape[0] % headDim !== 0)) {
      throw ggufError(
        "gguf_malformed",
        path,
        `its ${gguf.shape[0]} rows are no heads of ${headDim}`,
        gguf.name,
      );
    }
    placed.set(name, {
      dtype: gguf.type,
      shape: gguf.shape,
      file: path,
      bytes: gguf.bytes,
      gguf,
      shift: isGain ? -(family.gainOffset ?? 0) : 0,
      permutedBy: permuted ? headDim : undefined,
    });
  }
  return placed;
}
