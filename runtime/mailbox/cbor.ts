/**
 * The CBOR (RFC 8949) that mailboxes speak: null, undefined, booleans, numbers, text, byte strings, arrays, maps with text
 * keys, and the little-endian typed arrays of RFC 8746. Nothing else is written or accepted: no other tags, no indefinite
 * lengths, no integers beyond 2^53, no more than 64 levels.
 *
 * A general library would do for honest peers. This one is here because (1) a big typed array must reach the socket
 * without being copied into an output buffer first, and (2) general decoders honour a dozen tags (regular expressions,
 * errors, shared references, record definitions) that a hostile peer could use.
 *
 * @module
 */
import { mailboxError } from "./errors.ts";

/** Deepest nesting of arrays and maps. */
export const MAX_DEPTH = 64;

/** Typed arrays from this many bytes on are handed on by reference; smaller ones are copied. */
const BY_REFERENCE_BYTES = 16384;
const ARENA_BYTES = 65536;

type Typed = ArrayBufferView & { readonly buffer: ArrayBufferLike };

const TAG_OF = new Map<unknown, number>([
  [Uint16Array, 69],
  [Uint32Array, 70],
  [Int8Array, 72],
  [Int16Array, 77],
  [Int32Array, 78],
  [Float32Array, 85],
  [Float64Array, 86],
]);

interface TypedConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, byteOffset: number, length: number): Typed;
}

const TYPE_OF: Record<number, TypedConstructor | undefined> = {
  64: Uint8Array,
  69: Uint16Array,
  70: Uint32Array,
  72: Int8Array,
  77: Int16Array,
  78: Int32Array,
  85: Float32Array,
  86: Float64Array,
};

const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Encoded bytes: several pieces, of which the big ones are the caller's own typed arrays. */
export interface Encoded {
  parts: Uint8Array[];
  bytes: number;
}

/**
 * Encodes into shared, append-only blocks: pieces stay valid for ever, and what is encoded back to back lies back to back.
 */
export class CborEncoder {
  #arena = new Uint8Array(ARENA_BYTES);
  #view = new DataView(this.#arena.buffer);
  #start = 0;
  #at = 0;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /**
   * Encodes a value after `reserve` bytes that the caller fills in the first piece. Throws `unencodable` (naming the
   * place) for anything outside the subset: bigint, Date, Map, functions, class instances, cycles.
   */
  encode(value: unknown, reserve = 0): Encoded {
    this.#parts = [];
    this.#bytes = 0;
    this.#start = this.#at;
    try {
      this.#room(reserve);
      this.#at += reserve;
      this.#value(value, 0);
      this.#cutPart();
    } catch (error) {
      this.#at = this.#start;
      if (!(error instanceof Unencodable)) throw error;
      const place = findUnencodable(value, "", 0) ?? "the value";
      throw mailboxError(
        "unencodable",
        `cannot encode ${error.message} at ${place}; use plain objects, arrays, numbers, ` +
          `strings and typed arrays`,
      );
    }
    return { parts: this.#parts, bytes: this.#bytes };
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#arena.length) return;
    const used = this.#at - this.#start;
    const next = new Uint8Array(Math.max(ARENA_BYTES, (used + bytes) * 2));
    next.set(this.#arena.subarray(this.#start, this.#at));
    this.#arena = next;
    this.#view = new DataView(next.buffer);
    this.#start = 0;
    this.#at = used;
  }

  #cutPart(): void {
    if (this.#at === this.#start) return;
    this.#push(this.#arena.subarray(this.#start, this.#at));
    this.#start = this.#at;
  }

  #push(part: Uint8Array): void {
    this.#parts.push(part);
    this.#bytes += part.byteLength;
  }

  #head(major: number, n: number): void {
    this.#room(9);
    const type = major << 5;
    if (n < 24) this.#arena[this.#at++] = type | n;
    else if (n < 0x100) {
      this.#arena[this.#at++] = type | 24;
      this.#arena[this.#at++] = n;
    } else if (n < 0x10000) {
      this.#arena[this.#at++] = type | 25;
      this.#view.setUint16(this.#at, n);
      this.#at += 2;
    } else if (n < 0x100000000) {
      this.#arena[this.#at++] = type | 26;
      this.#view.setUint32(this.#at, n);
      this.#at += 4;
    } else {
      this.#arena[this.#at++] = type | 27;
      this.#view.setUint32(this.#at, Math.floor(n / 0x100000000));
      this.#view.setUint32(this.#at + 4, n >>> 0);
      this.#at += 8;
    }
  }

  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        return this.#string(value);
      case "number":
        return this.#number(value);
      case "boolean":
        this.#room(1);
        this.#arena[this.#at++] = value ? 0xf5 : 0xf4;
        return;
      case "undefined":
        this.#room(1);
        this.#arena[this.#at++] = 0xf7;
        return;
      case "object":
        break;
      default:
        throw new Unencodable(`a ${typeof value}`);
    }
    if (value === null) {
      this.#room(1);
      this.#arena[this.#at++] = 0xf6;
      return;
    }
    if (depth >= MAX_DEPTH) throw new Unencodable(`more than ${MAX_DEPTH} levels`);
    if (Array.isArray(value)) {
      this.#head(4, value.length);
      for (let i = 0; i < value.length; i++) this.#value(value[i], depth + 1);
      return;
    }
    if (ArrayBuffer.isView(value)) return this.#typed(value);
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw new Unencodable(`a ${value.constructor?.name ?? "class instance"}`);
    }
    const keys = Object.keys(value);
    this.#head(5, keys.length);
    for (const key of keys) {
      this.#string(key);
      this.#value((value as Record<string, unknown>)[key], depth + 1);
    }
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      return value >= 0 ? this.#head(0, value) : this.#head(1, -1 - value);
    }
    this.#room(9);
    this.#arena[this.#at++] = 0xfb;
    this.#view.setFloat64(this.#at, value);
    this.#at += 8;
  }

  #string(value: string): void {
    const length = value.length;
    this.#room(9 + length * 3);
    if (length < 24) {
      const at = this.#at + 1;
      let i = 0;
      for (; i < length; i++) {
        const c = value.charCodeAt(i);
        if (c >= 0x80) break;
        this.#arena[at + i] = c;
      }
      if (i === length) {
        this.#arena[this.#at] = 0x60 | length;
        this.#at += 1 + length;
        return;
      }
    }
    // The head's width is guessed from the number of characters and put right when the bytes are known.
    const guess = headBytes(length);
    const { written } = utf8.encodeInto(value, this.#arena.subarray(this.#at + guess));
    const need = headBytes(written);
    if (need !== guess) this.#arena.copyWithin(this.#at + need, this.#at + guess, this.#at + guess + written);
    this.#head(3, written);
    this.#at += written;
  }

  #typed(value: ArrayBufferView): void {
    if (!(value instanceof Uint8Array)) {
      const tag = TAG_OF.get(value.constructor);
      if (tag === undefined) throw new Unencodable(`a ${value.constructor.name}`);
      this.#head(6, tag);
    }
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    this.#head(2, bytes.byteLength);
    if (bytes.byteLength >= BY_REFERENCE_BYTES) {
      this.#cutPart();
      this.#push(bytes);
    } else {
      this.#room(bytes.byteLength);
      this.#arena.set(bytes, this.#at);
      this.#at += bytes.byteLength;
    }
  }
}

function headBytes(n: number): number {
  return n < 24 ? 1 : n < 0x100 ? 2 : n < 0x10000 ? 3 : 5;
}

class Unencodable extends Error {}

/** Path of the first value that the encoder refuses; walked only after a failure. */
function findUnencodable(value: unknown, path: string, depth: number): string | undefined {
  if (value === null || ["string", "number", "boolean", "undefined"].includes(typeof value)) return undefined;
  if (typeof value !== "object" || depth >= MAX_DEPTH) return path || "the value";
  if (ArrayBuffer.isView(value)) {
    return value instanceof Uint8Array || TAG_OF.has(value.constructor) ? undefined : path || "the value";
  }
  const prototype = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) {
    return path || "the value";
  }
  for (const [key, child] of Object.entries(value)) {
    const found = findUnencodable(child, path ? `${path}.${key}` : key, depth + 1);
    if (found) return found;
  }
  return undefined;
}

/** Encodes a value into one contiguous array; see {@linkcode CborEncoder.encode}. */
export function encodeCbor(value: unknown): Uint8Array {
  const { parts, bytes } = new CborEncoder().encode(value);
  const out = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.byteLength;
  }
  return out;
}

/**
 * Decodes one value that must fill `bytes` exactly. Typed arrays of 4 KiB and more are views of `bytes` when aligned (copy
 * them before transferring their buffer), smaller ones are copies. Throws `protocol` for anything outside the subset.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  const decoder = new Decoder(bytes);
  const value = decoder.value(0);
  if (decoder.at !== bytes.byteLength) {
    throw mailboxError("protocol", `CBOR ends at byte ${decoder.at} of ${bytes.byteLength}`);
  }
  return value;
}

const VIEW_BYTES = 4096;

class Decoder {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.byteLength;
  }

  #fail(what: string): never {
    throw mailboxError("protocol", `bad CBOR at byte ${this.at} of ${this.#end}: ${what}`);
  }

  /** Moves past `n` bytes and returns where they start. */
  #take(n: number): number {
    const at = this.at;
    if (n > this.#end - at) this.#fail(`${n} bytes wanted, ${this.#end - at} left`);
    this.at = at + n;
    return at;
  }

  #argument(info: number): number {
    if (info < 24) return info;
    switch (info) {
      case 24:
        return this.#bytes[this.#take(1)];
      case 25:
        return this.#view.getUint16(this.#take(2));
      case 26:
        return this.#view.getUint32(this.#take(4));
      case 27: {
        const at = this.#take(8);
        const n = this.#view.getUint32(at) * 0x100000000 + this.#view.getUint32(at + 4);
        if (n > Number.MAX_SAFE_INTEGER) this.#fail("an integer beyond 2^53");
        return n;
      }
      default:
        return this.#fail(`additional information ${info}`);
    }
  }

  value(depth: number): unknown {
    const initial = this.#bytes[this.#take(1)];
    const info = initial & 31;
    switch (initial >> 5) {
      case 0:
        return this.#argument(info);
      case 1:
        return -1 - this.#argument(info);
      case 2:
        return this.#typed(Uint8Array, this.#argument(info));
      case 3:
        return this.#string(this.#argument(info));
      case 4: {
        const n = this.#count(this.#argument(info), 1, depth);
        const out: unknown[] = [];
        for (let i = 0; i < n; i++) out.push(this.value(depth + 1));
        return out;
      }
      case 5: {
        const n = this.#count(this.#argument(info), 2, depth);
        const out: Record<string, unknown> = {};
        for (let i = 0; i < n; i++) {
          const head = this.#bytes[this.#take(1)];
          if (head >> 5 !== 3) this.#fail("a map key that is not text");
          const key = this.#string(this.#argument(head & 31));
          if (key === "__proto__") this.#fail("a map key __proto__");
          out[key] = this.value(depth + 1);
        }
        return out;
      }
      case 6: {
        const tag = this.#argument(info);
        const type = TYPE_OF[tag];
        if (!type) this.#fail(`tag ${tag}`);
        const head = this.#bytes[this.#take(1)];
        if (head >> 5 !== 2) this.#fail(`tag ${tag} on something other than bytes`);
        return this.#typed(type, this.#argument(head & 31));
      }
      default:
        return this.#simple(info);
    }
  }

  /** Checks a declared number of items before anything is allocated for it. */
  #count(n: number, bytesEach: number, depth: number): number {
    if (depth >= MAX_DEPTH) this.#fail(`more than ${MAX_DEPTH} levels`);
    if (n * bytesEach > this.#end - this.at) this.#fail(`${n} items do not fit in what is left`);
    return n;
  }

  #simple(info: number): unknown {
    switch (info) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 23:
        return undefined;
      case 25:
        return float16(this.#view.getUint16(this.#take(2)));
      case 26:
        return this.#view.getFloat32(this.#take(4));
      case 27:
        return this.#view.getFloat64(this.#take(8));
      default:
        return this.#fail(`simple value ${info}`);
    }
  }

  #string(length: number): string {
    const at = this.#take(length);
    if (length < 24) {
      let out = "";
      let i = 0;
      for (; i < length; i++) {
        const c = this.#bytes[at + i];
        if (c >= 0x80) break;
        out += String.fromCharCode(c);
      }
      if (i === length) return out;
    }
    try {
      return text.decode(this.#bytes.subarray(at, at + length));
    } catch {
      return this.#fail("text that is not UTF-8");
    }
  }

  #typed(type: TypedConstructor, length: number): Typed {
    const size = type.BYTES_PER_ELEMENT;
    if (length % size) this.#fail(`${length} bytes are no whole number of ${size}-byte elements`);
    const offset = this.#bytes.byteOffset + this.#take(length);
    const buffer = this.#bytes.buffer as ArrayBuffer;
    if (length >= VIEW_BYTES && offset % size === 0) return new type(buffer, offset, length / size);
    return new type(buffer.slice(offset, offset + length), 0, length / size);
  }
}

function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
