/**
 * The CBOR (RFC 8949) that mailboxes speak: null, undefined, booleans, numbers, text, byte strings,
 * arrays, maps with text keys, and the little-endian typed arrays of RFC 8746. Nothing else is
 * written or accepted: no other tags, no indefinite lengths, no integers beyond 2^53, no more than
 * 64 levels.
 *
 * The library cborg encodes and decodes. This file narrows it to the set above and makes it strict
 * about text: cborg alone would replace bytes that are not UTF-8 and drop a leading byte order
 * mark.
 *
 * @module
 */
import * as cborg from "cborg";
import { mailboxError } from "./errors.ts";

/** Deepest nesting of arrays and maps. */
export const MAX_DEPTH = 64;

/** Tag of RFC 8746 -> the typed array that it stands for; all are little-endian. */
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
  // By default cborg writes -0 as the integer 0.
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
    // cborg gives each byte string a buffer of its own, but all empty ones share one buffer.
    return bytes.length === 0 ? new type() : new type(bytes.buffer as ArrayBuffer);
  };
}

/** Without a `mapSorter` keys keep their order, as they do between actors of one node. */
const ENCODE: cborg.EncodeOptions = { float64: true, mapSorter: undefined, typeEncoders };
const DECODE: cborg.DecodeOptions = {
  allowIndefinite: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
  tags,
};

/**
 * Encodes a value, behind `reserve` bytes that the caller fills. The result shares no memory with
 * the value.
 *
 * Throws `unencodable` (group `mailbox`), naming the place, for anything outside the subset:
 * bigint, Date, Map, functions, class instances, cycles, a key `__proto__`.
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
 * Decodes one value that must fill `bytes` exactly. No two parts of the value share memory with
 * each other or with `bytes`. Throws `protocol` (group `mailbox`) for anything outside the subset.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  // A plain view: the slices of a Node Buffer would share its memory instead of being copies.
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

/**
 * cborg's tokenizer, which decodes a text again, strictly, where cborg may have replaced bytes or
 * dropped a byte order mark: where lengths differ or the text has a replacement character.
 */
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

/**
 * The most bytes that a text can take. Exact for long text, since the buffer of an encoded message
 * is kept until the message is acknowledged.
 */
function measureText(value: string): number {
  return HEAD_BYTES + (value.length < SHORT_TEXT ? value.length * 3 : Buffer.byteLength(value));
}
