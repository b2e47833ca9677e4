/**
 * The CBOR (RFC 8949) that mailboxes speak: null, undefined, booleans, numbers, text, byte strings,
 * arrays, maps with text keys, and the little-endian typed arrays of RFC 8746. Nothing else is
 * written or accepted: no other tags, no indefinite lengths, no integers beyond 2^53, no more than
 * 64 levels.
 *
 * cborg does the work; what is here narrows it to that set, and makes it strict about text: alone
 * it would replace bytes that are not UTF-8 and swallow a leading byte order mark.
 *
 * @module
 */
import * as cborg from "cborg";
import { mailboxError } from "./errors.ts";

/** Deepest nesting of arrays and maps. */
export const MAX_DEPTH = 64;

const TYPED = new Map(Object.entries({
  69: Uint16Array,
  70: Uint32Array,
  72: Int8Array,
  77: Int16Array,
  78: Int32Array,
  85: Float32Array,
  86: Float64Array,
}));
const TYPES = new Set<unknown>(TYPED.values());

const typeEncoders: NonNullable<cborg.EncodeOptions["typeEncoders"]> = {
  // Left to itself, cborg writes -0 as the integer 0.
  number: (value: number) => Object.is(value, -0) ? new cborg.Token(cborg.Type.float, value) : null,
};
const tags: NonNullable<cborg.DecodeOptions["tags"]> = {};
for (const [tag, type] of TYPED) {
  typeEncoders[type.name] = (value: ArrayBufferView) => [
    new cborg.Token(cborg.Type.tag, Number(tag)),
    new cborg.Token(
      cborg.Type.bytes,
      new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
    ),
  ];
  tags[Number(tag)] = (content) => {
    const bytes = content();
    if (!(bytes instanceof Uint8Array)) throw new Error(`tag ${tag} on something other than bytes`);
    // cborg gives each byte string a buffer of its own, but one to all those that are empty.
    return bytes.length === 0 ? new type() : new type(bytes.buffer as ArrayBuffer);
  };
}

/** Keys keep their order, as they do between actors of one node. */
const ENCODE: cborg.EncodeOptions = { float64: true, mapSorter: undefined, typeEncoders };
const DECODE: cborg.DecodeOptions = {
  allowIndefinite: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
  tags,
};

/**
 * Encodes a value after `reserve` bytes that the caller fills; the bytes share nothing with it.
 * Throws `unencodable` (naming the place) for anything outside the subset: bigint, Date, Map,
 * functions, class instances, cycles, a key `__proto__`.
 */
export function encodeCbor(value: unknown, reserve = 0): Uint8Array {
  const atMost = measure(value, [], (what, place) => {
    throw mailboxError(
      "unencodable",
      `cannot encode ${what} at ${place}; use plain objects, arrays, numbers, strings and typed arrays`,
    );
  });
  const out = new Uint8Array(reserve + atMost);
  const { written } = cborg.encodeInto(value, out.subarray(reserve), ENCODE);
  return out.subarray(0, reserve + written);
}

/**
 * Decodes one value that must fill `bytes` exactly. Nothing in it shares memory with `bytes` or
 * with the rest of it. Throws `protocol` for anything outside the subset.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  // A Buffer's slices would not be copies.
  const data = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tokenizer = new StrictText(data, DECODE);
  const bad = (what: string) =>
    mailboxError("protocol", `bad CBOR at byte ${tokenizer.pos()} of ${data.length}: ${what}`);
  let value: unknown;
  try {
    value = cborg.decode(data, { ...DECODE, tokenizer });
  } catch (error) {
    throw bad(
      error instanceof Error ? error.message.replace("CBOR decode error: ", "") : String(error),
    );
  }
  measure(value, [], (what, place) => {
    throw bad(`${what} at ${place}`);
  });
  return value;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** cborg's tokenizer, which decodes text again where it may have been mended. */
class StrictText extends cborg.Tokenizer {
  override next(): cborg.Token {
    const at = this.pos();
    const token = super.next();
    if (token.type !== cborg.Type.string) return token;
    const width = this.data[at] & 31;
    const start = at + (width < 24 ? 1 : 1 + 2 ** (width - 24));
    if (token.value.length !== this.pos() - start || token.value.includes("\ufffd")) {
      token.value = utf8.decode(this.data.subarray(start, this.pos()));
    }
    return token;
  }
}

/** Told what is outside the subset, and where. */
type Refuse = (what: string, place: string) => never;

/**
 * Bytes that a value takes at most when encoded; refuses what is outside the subset. `path` leads
 * to it.
 */
function measure(value: unknown, path: (string | number)[], refuse: Refuse): number {
  const no = (what: string) => refuse(what, path.join(".") || "the top");
  switch (typeof value) {
    case "string":
      return measureText(value);
    case "number":
    case "boolean":
    case "undefined":
      return 9;
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
    return 11 + value.byteLength;
  }
  if (path.length >= MAX_DEPTH) no(`more than ${MAX_DEPTH} levels`);
  let bytes = 9;
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

/** Exact for long text, since an encoded message is kept until it is acknowledged. */
function measureText(value: string): number {
  return 9 + (value.length < 64 ? value.length * 3 : Buffer.byteLength(value));
}
