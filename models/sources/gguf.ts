/**
 * Reads the header of a GGUF file: the metadata, and where the tensors lie.
 *
 * `@huggingface/gguf` is not used: it reads the missing bytes of a truncated file as zeros, and it
 * checks neither lengths against the file's size nor the sizes, alignment and overlaps of tensors.
 * Here every length is checked before anything is read or allocated.
 *
 * @module
 */
import type { OrreryError } from "../../actors/system/errors.ts";
import { modelError } from "../errors.ts";

/** A metadata value; an integer beyond 2^53 is a bigint. */
export type GgufValue =
  | number
  | bigint
  | boolean
  | string
  | (number | bigint | boolean)[]
  | string[];

/** A tensor as the header describes it. */
export interface GgufTensor {
  name: string;
  /** ggml's name of the element type, e.g. `Q4_K`. */
  type: string;
  /**
   * Shape, outermost dimension first: [out, in] for a projection (the file has the reverse order).
   */
  shape: number[];
  /** Position of the first byte in the file. */
  offset: number;
  bytes: number;
  /** Number of the part that holds it, 0-based; of a file that is not split 0. */
  part: number;
}

/** A checked header, or those of all parts of a split file as one. */
export interface GgufHeader {
  metadata: ReadonlyMap<string, GgufValue>;
  tensors: ReadonlyMap<string, GgufTensor>;
  /** Bytes of the file before the data of the tensors. */
  bytes: number;
}

/** ggml's element types by number: name, elements of a block, bytes of a block. */
const TYPES: ReadonlyMap<number, [name: string, elements: number, bytes: number]> = new Map([
  [0, ["F32", 1, 4]],
  [1, ["F16", 1, 2]],
  [2, ["Q4_0", 32, 18]],
  [3, ["Q4_1", 32, 20]],
  [6, ["Q5_0", 32, 22]],
  [7, ["Q5_1", 32, 24]],
  [8, ["Q8_0", 32, 34]],
  [9, ["Q8_1", 32, 40]],
  [10, ["Q2_K", 256, 84]],
  [11, ["Q3_K", 256, 110]],
  [12, ["Q4_K", 256, 144]],
  [13, ["Q5_K", 256, 176]],
  [14, ["Q6_K", 256, 210]],
  [15, ["Q8_K", 256, 292]],
  [16, ["IQ2_XXS", 256, 66]],
  [17, ["IQ2_XS", 256, 74]],
  [18, ["IQ3_XXS", 256, 98]],
  [19, ["IQ1_S", 256, 50]],
  [20, ["IQ4_NL", 32, 18]],
  [21, ["IQ3_S", 256, 110]],
  [22, ["IQ2_S", 256, 82]],
  [23, ["IQ4_XS", 256, 136]],
  [24, ["I8", 1, 1]],
  [25, ["I16", 1, 2]],
  [26, ["I32", 1, 4]],
  [27, ["I64", 1, 8]],
  [28, ["F64", 1, 8]],
  [29, ["IQ1_M", 256, 56]],
  [30, ["BF16", 1, 2]],
  [34, ["TQ1_0", 256, 54]],
  [35, ["TQ2_0", 256, 66]],
  [39, ["MXFP4", 32, 17]],
]);

/** Numbers of the types of metadata that are not of one length. */
const STRING = 8, ARRAY = 9;
/** Least bytes of a metadata value by the number of its type. */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8];
/** Most elements of an array, tensors and dimensions that are accepted. */
const MAX_ARRAY = 1 << 24;
const MAX_TENSORS = 1 << 20;
const MAX_DIMENSIONS = 4;
/** Least bytes of a metadata pair and of an entry of the tensor table. */
const MIN_PAIR_BYTES = 13;
const MIN_TENSOR_BYTES = 32;
/** Bytes that are read from the file at a time. */
const READ_BYTES = 1 << 20;

/**
 * Makes an error about a GGUF file; `tensor` is the name of the tensor at fault, if there is one.
 */
export function ggufError(
  code:
    | "gguf_malformed"
    | "gguf_unsupported"
    | "architecture_unknown"
    | "feature_unsupported"
    | "tensor_dtype",
  file: string,
  why: string,
  tensor?: string,
): OrreryError {
  return modelError(
    code,
    tensor === undefined ? `${file}: ${why}` : `${file}, tensor ${tensor}: ${why}`,
    { file, tensor },
  );
}

/**
 * Reads and checks the header of an open file; `path` is for messages, and `part` says which part
 * of a split file it must be. Throws OrreryError
 * `model/gguf_malformed`, `model/gguf_unsupported`, or `model/tensor_dtype` for an element type
 * without a known size.
 */
export function readGgufHeader(
  file: Deno.FsFile,
  path: string,
  part: { number: number; count: number } = { number: 0, count: 1 },
): GgufHeader {
  const cursor = new Cursor(file, path);
  const bad = (why: string, tensor?: string) => ggufError("gguf_malformed", path, why, tensor);
  const refused = (why: string) => ggufError("gguf_unsupported", path, why);
  if (cursor.size < 4 || cursor.u32() !== 0x46554747) throw bad("it does not begin with GGUF");
  const version = cursor.u32();
  if (version !== 2 && version !== 3) {
    const swapped = version !== 0 && (version & 0xffff) === 0;
    throw refused(
      swapped
        ? "it is big-endian; convert it again as little-endian"
        : `GGUF version ${version} (supported: 2, 3)`,
    );
  }
  const tensorCount = cursor.count("tensors", MIN_TENSOR_BYTES, MAX_TENSORS);
  const pairs = cursor.count("metadata pairs", MIN_PAIR_BYTES, MAX_ARRAY);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < pairs; i++) {
    const key = cursor.text(`the name of metadata pair ${i}`);
    if (metadata.has(key)) throw bad(`metadata ${key} stands there twice`);
    metadata.set(key, cursor.value(cursor.u32(), `metadata ${key}`));
  }
  const parts = metadata.get("split.count") ?? 1;
  const number = metadata.get("split.no") ?? 0;
  if (part.count === 1 && typeof parts === "number" && parts > 1) {
    throw refused(
      `it is one of ${parts} parts; give them the names that llama-gguf-split does, ` +
        "NAME-00001-of-0000N.gguf, or join them with llama-gguf-split --merge",
    );
  }
  if (part.count > 1 && (parts !== part.count || number !== part.number)) {
    throw bad(
      `its name says part ${part.number + 1} of ${part.count}, it says ${
        Number(number) + 1
      } of ${parts}`,
    );
  }
  const alignment = metadata.get("general.alignment") ?? 32;
  if (
    typeof alignment !== "number" || !(alignment >= 1 && alignment <= 65536) ||
    (alignment & (alignment - 1))
  ) {
    throw bad(`general.alignment is ${alignment}, not a power of two up to 65536`);
  }
  const tensors: GgufTensor[] = [];
  for (let i = 0; i < tensorCount; i++) {
    tensors.push({ ...readTensor(cursor, i, alignment, path), part: part.number });
  }
  const start = Math.ceil(cursor.position / alignment) * alignment;
  const placed = new Map<string, GgufTensor>();
  let [end, before] = [start, ""];
  for (const tensor of tensors.sort((a, b) => a.offset - b.offset)) {
    tensor.offset += start;
    if (placed.has(tensor.name)) throw bad("it stands there twice", tensor.name);
    if (tensor.offset < end) throw bad(`its bytes overlap those of ${before}`, tensor.name);
    end = tensor.offset + tensor.bytes;
    before = tensor.name;
    if (end > cursor.size) {
      throw bad(
        `its bytes end at ${end} but the file has ${cursor.size}; fetch it again`,
        tensor.name,
      );
    }
    placed.set(tensor.name, tensor);
  }
  return { metadata, tensors: placed, bytes: start };
}

/** Reads one entry of the tensor table. Its offset counts from the start of the tensors' data. */
function readTensor(
  cursor: Cursor,
  index: number,
  alignment: number,
  path: string,
): Omit<GgufTensor, "part"> {
  const name = cursor.text(`the name of tensor ${index}`);
  const bad = (why: string) => ggufError("gguf_malformed", path, why, name);
  const rank = cursor.u32();
  if (rank < 1 || rank > MAX_DIMENSIONS) {
    throw bad(`it has ${rank} dimensions, not 1 to ${MAX_DIMENSIONS}`);
  }
  const dims = Array.from({ length: rank }, () => cursor.u64());
  const number = cursor.u32();
  const offset = cursor.u64();
  const type = TYPES.get(number);
  if (!type) {
    throw ggufError("tensor_dtype", path, `element type number ${number} is not known`, name);
  }
  const [typeName, blockElements, blockBytes] = type;
  const elements = dims.reduce((a, b) => a * b, 1);
  if (!(elements >= 1 && elements <= 2 ** 48)) throw bad(`its dimensions [${dims}] cannot be`);
  if (dims[0] % blockElements !== 0) {
    throw bad(
      `rows of ${dims[0]} elements are no whole blocks of ${blockElements}, which ${typeName} has`,
    );
  }
  if (!Number.isSafeInteger(offset) || offset % alignment !== 0) {
    throw bad(`its offset ${offset} is not a multiple of the alignment ${alignment}`);
  }
  const bytes = elements / blockElements * blockBytes;
  return { name, type: typeName, shape: dims.reverse(), offset, bytes };
}

/** Reads little-endian values one after the other, never past the end of the file. */
class Cursor {
  readonly size: number;
  readonly #file: Deno.FsFile;
  readonly #path: string;
  #window = new Uint8Array(READ_BYTES);
  #start = 0;
  #filled = 0;
  #at = 0;

  constructor(file: Deno.FsFile, path: string) {
    this.#file = file;
    this.#path = path;
    this.size = file.statSync().size;
  }

  /** Bytes read so far. */
  get position(): number {
    return this.#start + this.#at;
  }

  u32(): number {
    return this.#take(4, "the header").getUint32(0, true);
  }

  /** A number above 2^53 is not exact; callers to which that matters refuse it. */
  u64(): number {
    return Number(this.#take(8, "the header").getBigUint64(0, true));
  }

  /**
   * Reads the number of things that follow, each of at least `least` bytes. Throws for more than
   * `most`, or more than the rest of the file has room for.
   */
  count(what: string, least: number, most: number): number {
    const count = this.u64();
    if (count > most || count * least > this.size - this.position) {
      throw this.#bad(`it announces ${count} ${what}, which its ${this.size} bytes cannot hold`);
    }
    return count;
  }

  text(what: string): string {
    const length = this.u64();
    const view = this.#take(length, what);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
        .decode(new Uint8Array(view.buffer, view.byteOffset, length));
    } catch {
      throw this.#bad(`${what} is not UTF-8`);
    }
  }

  value(type: number, what: string): GgufValue {
    if (type === STRING) return this.text(what);
    if (type !== ARRAY) return this.#number(type, what);
    const element = this.u32();
    if (element === ARRAY) {
      throw ggufError("gguf_unsupported", this.#path, `${what} is an array of arrays`);
    }
    if (VALUE_BYTES[element] === undefined) {
      throw this.#bad(`${what} has elements of type ${element}`);
    }
    const count = this.count(`elements of ${what}`, VALUE_BYTES[element], MAX_ARRAY);
    if (element === STRING) return Array.from({ length: count }, () => this.text(what));
    return Array.from({ length: count }, () => this.#number(element, what));
  }

  #number(type: number, what: string): number | bigint | boolean {
    const bytes = VALUE_BYTES[type];
    if (bytes === undefined) throw this.#bad(`${what} has type ${type}, which no value has`);
    const view = this.#take(bytes, what);
    const exact = (value: bigint) => Number.isSafeInteger(Number(value)) ? Number(value) : value;
    switch (type) {
      case 0:
        return view.getUint8(0);
      case 1:
        return view.getInt8(0);
      case 2:
        return view.getUint16(0, true);
      case 3:
        return view.getInt16(0, true);
      case 4:
        return view.getUint32(0, true);
      case 5:
        return view.getInt32(0, true);
      case 6:
        return view.getFloat32(0, true);
      case 7:
        return view.getUint8(0) !== 0;
      case 10:
        return exact(view.getBigUint64(0, true));
      case 11:
        return exact(view.getBigInt64(0, true));
      default:
        return view.getFloat64(0, true);
    }
  }

  /** The next bytes. Throws, before it allocates anything, if the file has fewer left. */
  #take(bytes: number, what: string): DataView<ArrayBuffer> {
    if (!(bytes <= this.size - this.position)) {
      throw this.#bad(
        `${what} needs ${bytes} bytes where the file has ${this.size - this.position} left`,
      );
    }
    if (this.#at + bytes > this.#filled) this.#fill(bytes, what);
    const view = new DataView(this.#window.buffer, this.#at, bytes);
    this.#at += bytes;
    return view;
  }

  #fill(bytes: number, what: string): void {
    this.#start = this.position;
    this.#at = 0;
    if (bytes > this.#window.length) this.#window = new Uint8Array(bytes);
    this.#file.seekSync(this.#start, Deno.SeekMode.Start);
    for (this.#filled = 0; this.#filled < bytes;) {
      const count = this.#file.readSync(this.#window.subarray(this.#filled));
      if (count === null) throw this.#bad(`the file ends in ${what}`);
      this.#filled += count;
    }
  }

  #bad(why: string): OrreryError {
    return ggufError("gguf_malformed", this.#path, why);
  }
}
