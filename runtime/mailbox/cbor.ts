/**
 * The CBOR (RFC 8949) that mailboxes speak: null, undefined, booleans, numbers, text, byte strings,
 * arrays, maps with text keys, and the little-endian typed arrays of RFC 8746. Nothing else is
 * written or accepted: no other tags, no indefinite lengths, no integers beyond 2^53, no more than
 * 64 levels.
 *
 * The library cbor-x encodes and decodes. It knows much more than that set, so a value is looked
 * through before it is encoded, and bytes are scanned before they are decoded (`cbor_scan.ts`):
 * what the library gets is what it and the standard agree on. Four things remain that it would
 * change (negative zero, texts that are not well-formed, a byte order mark, integers of eight
 * bytes); they are seldom, and are set right around it.
 *
 * @module
 */
import { Decoder, Encoder } from "cbor-x";
import { MAX_DEPTH, Scan, ScanError, type Scanned, TYPED_TAGS } from "./cbor_scan.ts";
import { mailboxError } from "./errors.ts";

export { MAX_DEPTH };

const TYPES = new Set<unknown>(TYPED_TAGS.values());

const options = { useRecords: false, mapsAsObjects: true, tagUint8Array: false } as const;
/** Byte strings are copied, so that no part of a value shares memory with another. */
const decoder = new Decoder({ ...options, copyBuffers: true } as typeof options);
const encoder = new Encoder(options);
/** cbor-x's `RESET_BUFFER_MODE`: the next message is written to the same buffer. */
const RESET_BUFFER_MODE = 1024;
/** An encoder keeps a buffer as large as its largest message; larger ones get one of their own. */
const KEPT_BYTES = 1 << 20;

/**
 * Encodes a value, behind `reserve` bytes that the caller fills. The result shares no memory with
 * the value.
 *
 * Throws `unencodable` (group `mailbox`), naming the place, for anything outside the subset:
 * bigint, Date, Map, functions, class instances, cycles, a key `__proto__`. A lone surrogate in a
 * text becomes U+FFFD.
 */
export function encodeCbor(value: unknown, reserve = 0): Uint8Array {
  odd = false;
  const atMost = measure(value, [], (what, place) => {
    throw mailboxError(
      "unencodable",
      `cannot encode ${what} at ${place}; use plain objects, arrays, numbers, strings and typed arrays`,
    );
  });
  const library = atMost > KEPT_BYTES ? new Encoder(options) : encoder;
  const encode = library.encode as (value: unknown, mode: number) => Uint8Array;
  const bytes = odd
    ? encodeOdd(value, (even) => encode.call(library, even, RESET_BUFFER_MODE))
    : encode.call(library, value, RESET_BUFFER_MODE);
  const out = new Uint8Array(reserve + bytes.length);
  out.set(bytes, reserve);
  return out;
}

/**
 * Decodes one value that must fill `bytes` exactly. No two parts of the value share memory with
 * each other or with `bytes`. Throws `protocol` (group `mailbox`) for anything outside the subset.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  // A plain view: the slices of a Node Buffer would share its memory instead of being copies.
  const data = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const scan = new Scan(data);
    if (scan.longIntegers || scan.byteOrderMarks.length > 0) return decodeOdd(data, scan);
    return decoder.decode(data);
  } catch (error) {
    const at = error instanceof ScanError ? ` at byte ${error.at} of ${data.length}` : "";
    throw mailboxError(
      "protocol",
      `bad CBOR${at}: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** Set by {@linkcode measure} where the value has a part that cbor-x would change. */
let odd = false;

/** CBOR's head of a float of 8 bytes, and the bytes of a negative one of the smallest size. */
const FLOAT_HEAD = 0xfb;
const SMALLEST_NEGATIVE = [FLOAT_HEAD, 0x80, 0, 0, 0, 0, 0];

/**
 * Encodes a value with negative zeros or texts that are not well-formed. cbor-x writes -0 as the
 * integer 0, so a number stands for it that occurs nowhere else in the value.
 */
function encodeOdd(value: unknown, encode: (value: unknown) => Uint8Array): Uint8Array {
  for (let code = 1;; code++) {
    let zeros = 0;
    const even = (part: unknown): unknown => {
      if (typeof part === "string") return part.toWellFormed();
      if (Object.is(part, -0)) {
        zeros++;
        return -code * Number.MIN_VALUE;
      }
      if (typeof part !== "object" || part === null || ArrayBuffer.isView(part)) return part;
      if (Array.isArray(part)) return Array.from(part, even);
      return Object.fromEntries(Object.entries(part).map(([k, v]) => [k.toWellFormed(), even(v)]));
    };
    const bytes = encode(even(value));
    const places = find(bytes, [...SMALLEST_NEGATIVE, code >> 8, code & 255]);
    if (places.length !== zeros) continue;
    for (const at of places) bytes.fill(0, at + 2, at + 9);
    return bytes;
  }
}

/** Where this sequence of bytes occurs. */
function find(bytes: Uint8Array, sequence: number[]): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(sequence[0]); at >= 0; at = bytes.indexOf(sequence[0], at + 1)) {
    if (sequence.every((byte, i) => bytes[at + i] === byte)) places.push(at);
  }
  return places;
}

/** The first character of the private use area, and how many take three bytes of UTF-8 there. */
const [PRIVATE_USE, PRIVATE_USE_SIZE] = [0xe000, 0x1900];

/**
 * Decodes scanned bytes with integers of eight bytes, which cbor-x gives as bigints, or with texts
 * that begin with a byte order mark, which it drops: a character stands for the mark that occurs
 * nowhere else in the bytes.
 */
function decodeOdd(data: Uint8Array, { byteOrderMarks }: Scanned): unknown {
  let mark = "";
  if (byteOrderMarks.length > 0) {
    const taken = Array.from({ length: PRIVATE_USE_SIZE }, (_, i) => i).find((i) => {
      const bytes = new TextEncoder().encode(String.fromCharCode(PRIVATE_USE + i));
      return find(data, [...bytes]).length === 0;
    });
    if (taken === undefined) throw new Error("texts with every character of the private use area");
    mark = String.fromCharCode(PRIVATE_USE + taken);
    data = data.slice();
    for (const at of byteOrderMarks) data.set(new TextEncoder().encode(mark), at);
  }
  const text = (part: string) =>
    mark !== "" && part.startsWith(mark) ? `\ufeff${part.slice(1)}` : part;
  const right = (part: unknown): unknown => {
    if (typeof part === "bigint") return Number(part);
    if (typeof part === "string") return text(part);
    if (typeof part !== "object" || part === null || ArrayBuffer.isView(part)) return part;
    if (Array.isArray(part)) return part.map(right);
    return Object.fromEntries(Object.entries(part).map(([k, v]) => [text(k), right(v)]));
  };
  return right(decoder.decode(data));
}

/** Throws for a part of a value that is outside the subset. */
type Refuse = (what: string, place: string) => never;

/** Bytes of a number's head with its longest argument; a number or a length takes no more. */
const HEAD_BYTES = 9;
/** Bytes of the tag (2) and the head of a typed array. */
const TYPED_HEAD_BYTES = 2 + HEAD_BYTES;
/** Texts shorter than this are not counted exactly: a character takes 3 bytes at most. */
const SHORT_TEXT = 64;

/**
 * The most bytes that a value can take when encoded. Calls `refuse` for what is outside the subset.
 *
 * @param path Keys and indices that lead from the top to this value.
 */
function measure(value: unknown, path: (string | number)[], refuse: Refuse): number {
  const no = (what: string) => refuse(what, path.join(".") || "the top");
  switch (typeof value) {
    case "string":
      return measureText(value);
    case "number":
      odd ||= value === 0 && Object.is(value, -0);
      return HEAD_BYTES;
    case "boolean":
    case "undefined":
      return HEAD_BYTES;
    case "object":
      break;
    default:
      return no(`a ${typeof value}`);
  }
  if (value === null) return 1;
  if (ArrayBuffer.isView(value)) {
    if (!(value instanceof Uint8Array || TYPES.has(value.constructor))) {
      no(`a ${value.constructor.name}`);
    }
    return TYPED_HEAD_BYTES + value.byteLength;
  }
  if (path.length >= MAX_DEPTH) no(`more than ${MAX_DEPTH} levels`);
  let bytes = HEAD_BYTES;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      path.push(i);
      bytes += measure(value[i], path, refuse);
      path.pop();
    }
    return bytes;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    no(`a ${value.constructor?.name ?? "class instance"}`);
  }
  for (const key of Object.keys(value)) {
    path.push(key);
    if (key === "__proto__") no("a key __proto__");
    bytes += measureText(key) + measure((value as Record<string, unknown>)[key], path, refuse);
    path.pop();
  }
  return bytes;
}

/** The most bytes that a text can take; exact for long text. */
function measureText(value: string): number {
  odd ||= !value.isWellFormed();
  return HEAD_BYTES + (value.length < SHORT_TEXT ? value.length * 3 : Buffer.byteLength(value));
}
