/**
 * What may be decoded: a scan of a CBOR item (RFC 8949) before a library sees it. The library knows
 * records, shared references, packed strings and classes; nothing of that passes here.
 *
 * @module
 */

/** Deepest nesting of arrays and maps. */
export const MAX_DEPTH = 64;

/** Tag of RFC 8746 -> the typed array that it stands for; all are little-endian. */
export const TYPED_TAGS = new Map<number, { name: string; BYTES_PER_ELEMENT: number }>([
  [69, Uint16Array],
  [70, Uint32Array],
  [72, Int8Array],
  [77, Int16Array],
  [78, Int32Array],
  [85, Float32Array],
  [86, Float64Array],
]);

/** What a scan found that a library would decode as something else. */
export interface Scanned {
  /** Is there an integer of eight bytes? */
  longIntegers: boolean;
  /** Where texts begin that begin with a byte order mark. */
  byteOrderMarks: number[];
}

/** Major types of CBOR, as the first three bits of an item. */
const [UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE] = [0, 1, 2, 3, 4, 5, 6, 7];
/** Simple values: false, true, null, undefined; and the sizes of a half, single and double float. */
const [FALSE, UNDEFINED, HALF, DOUBLE] = [20, 23, 25, 27];
/** The rest of an item's first byte if its length or value follows in 8 bytes. */
const EIGHT_BYTES = 27;
/** Maps with at most so many keys are searched for equal ones pair by pair. */
const FEW_KEYS = 24;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];
const PROTO = new TextEncoder().encode("__proto__");

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Thrown by {@linkcode Scan}: what is wrong, and at which byte. */
export class ScanError extends Error {
  constructor(what: string, readonly at: number) {
    super(what);
  }
}

/** One pass over the bytes of one item, which must fill them exactly. */
export class Scan implements Scanned {
  longIntegers = false;
  byteOrderMarks: number[] = [];
  readonly #data: Uint8Array;
  #at = 0;
  /** The last head: where it began, its major type, the rest of its first byte, its argument. */
  #start = 0;
  #major = 0;
  #info = 0;
  #argument = 0;

  /** Throws {@linkcode ScanError} for anything outside the subset that `cbor.ts` names. */
  constructor(data: Uint8Array) {
    this.#data = data;
    this.#item(0);
    if (this.#at < data.length) this.#refuse(`${data.length - this.#at} bytes follow the value`);
  }

  #refuse(what: string, at = this.#at): never {
    throw new ScanError(what, at);
  }

  /** Reads an item's first byte and its argument, a number below 2^53. */
  #head(): void {
    const data = this.#data;
    this.#start = this.#at;
    if (this.#at >= data.length) this.#refuse("the data end inside a value");
    const first = data[this.#at++];
    this.#major = first >> 5;
    const info = this.#info = first & 31;
    if (info < 24) {
      this.#argument = info;
      return;
    }
    if (info > EIGHT_BYTES) this.#refuse("an indefinite length or a break", this.#start);
    const end = this.#at + (1 << (info - 24));
    if (end > data.length) this.#refuse("the data end inside a value");
    let argument = 0;
    while (this.#at < end) argument = argument * 256 + data[this.#at++];
    this.#argument = argument;
  }

  #item(depth: number): void {
    this.#head();
    const argument = this.#argument;
    switch (this.#major) {
      case UNSIGNED:
      case NEGATIVE:
        if (this.#info === EIGHT_BYTES) this.#longInteger(argument);
        return;
      case BYTES:
        return this.#skip(argument);
      case TEXT:
        return this.#text(argument);
      case ARRAY:
        this.#enter(depth, argument);
        for (let i = 0; i < argument; i++) this.#item(depth + 1);
        return;
      case MAP:
        this.#enter(depth, 2 * argument);
        return this.#map(argument, depth + 1);
      case TAG:
        return this.#typedArray(argument);
      case SIMPLE: {
        const info = this.#info;
        if ((info >= FALSE && info <= UNDEFINED) || (info >= HALF && info <= DOUBLE)) return;
        this.#refuse(`simple value ${argument}`, this.#start);
      }
    }
  }

  #longInteger(argument: number): void {
    // -1 - argument is a safe integer too
    const most = Number.MAX_SAFE_INTEGER - (this.#major === NEGATIVE ? 1 : 0);
    if (argument > most) this.#refuse("an integer beyond 2^53", this.#start);
    this.longIntegers = true;
  }

  /** Each item takes a byte, so a length that cannot be is refused before anything is allocated. */
  #enter(depth: number, items: number): void {
    if (depth >= MAX_DEPTH) this.#refuse(`more than ${MAX_DEPTH} levels`, this.#start);
    if (items > this.#data.length - this.#at) this.#refuse("the data end inside a value");
  }

  #skip(bytes: number): void {
    if (bytes > this.#data.length - this.#at) this.#refuse("the data end inside a value");
    this.#at += bytes;
  }

  #text(bytes: number): void {
    const start = this.#at;
    this.#skip(bytes);
    const data = this.#data;
    for (let i = start; i < this.#at; i++) {
      if (data[i] < 128) continue;
      try {
        utf8.decode(data.subarray(start, this.#at));
      } catch {
        this.#refuse("text that is not UTF-8", start);
      }
      if (BYTE_ORDER_MARK.every((byte, k) => data[start + k] === byte)) {
        this.byteOrderMarks.push(start);
      }
      return;
    }
  }

  #map(entries: number, depth: number): void {
    /** Begin and end of each key's bytes. */
    const keys: number[] = [];
    const many = entries > FEW_KEYS ? new Set<string>() : undefined;
    for (let i = 0; i < entries; i++) {
      this.#head();
      const start = this.#start;
      if (this.#major !== TEXT) this.#refuse("a map key that is not a text", start);
      const from = this.#at;
      this.#text(this.#argument);
      const to = this.#at;
      if (this.#same(from, to, PROTO, 0, PROTO.length)) this.#refuse("a key __proto__", start);
      if (many) {
        many.add(utf8.decode(this.#data.subarray(from, to)));
        if (many.size === i) this.#refuse("a key that stands twice in a map", start);
      } else {
        for (let k = 0; k < keys.length; k += 2) {
          if (this.#same(from, to, this.#data, keys[k], keys[k + 1])) {
            this.#refuse("a key that stands twice in a map", start);
          }
        }
        keys.push(from, to);
      }
      this.#item(depth);
    }
  }

  /** Are these bytes those of `other`? */
  #same(from: number, to: number, other: Uint8Array, otherFrom: number, otherTo: number): boolean {
    if (to - from !== otherTo - otherFrom) return false;
    for (let i = from, k = otherFrom; i < to; i++, k++) {
      if (this.#data[i] !== other[k]) return false;
    }
    return true;
  }

  #typedArray(tag: number): void {
    const start = this.#start;
    const type = TYPED_TAGS.get(tag);
    if (!type) this.#refuse(`tag ${tag}`, start);
    this.#head();
    if (this.#major !== BYTES) this.#refuse(`tag ${tag} on something other than bytes`, start);
    if (this.#argument % type.BYTES_PER_ELEMENT !== 0) {
      this.#refuse(`${type.name} of ${this.#argument} bytes`, start);
    }
    this.#skip(this.#argument);
  }
}
