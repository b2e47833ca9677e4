/**
 * Header fields as HTTP/2 carries them (HPACK, RFC 7541). Everything is read; what is written names
 * no earlier field and needs no state.
 *
 * @module
 */
import { decodeHuffman } from "./huffman.ts";

/** Header fields by name, in lower case; those of HTTP/2 itself begin with a colon. */
export type HeaderFields = Record<string, string>;

/** Appendix A; entry 0 stands for index 1. */
const STATIC: readonly (readonly [string, string])[] = [
  ...[":authority", ":method GET", ":method POST", ":path /", ":path /index.html"],
  ...[":scheme http", ":scheme https", ":status 200", ":status 204", ":status 206"],
  ...[":status 304", ":status 400", ":status 404", ":status 500", "accept-charset"],
  ...["accept-encoding gzip, deflate", "accept-language", "accept-ranges", "accept"],
  ...["access-control-allow-origin", "age", "allow", "authorization", "cache-control"],
  ...["content-disposition", "content-encoding", "content-language", "content-length"],
  ...["content-location", "content-range", "content-type", "cookie", "date", "etag", "expect"],
  ...["expires", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range"],
  ...["if-unmodified-since", "last-modified", "link", "location", "max-forwards"],
  ...["proxy-authenticate", "proxy-authorization", "range", "referer", "refresh", "retry-after"],
  ...["server", "set-cookie", "strict-transport-security", "transfer-encoding", "user-agent"],
  ...["vary", "via", "www-authenticate"],
].map((entry): [string, string] => {
  const space = entry.indexOf(" ");
  return space < 0 ? [entry, ""] : [entry.slice(0, space), entry.slice(space + 1)];
});

/** Bytes that each side may keep of earlier fields: the value that holds without a setting. */
const TABLE_BYTES = 4_096;
/** What an entry of that table counts besides its texts. */
const ENTRY_BYTES = 32;
/** Most fields of a message. */
const MOST_FIELDS = 100;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Reads the fields of one direction of a session, whose earlier fields later ones may name. */
export class FieldReader {
  /** HeaderFields that can be named, the newest first. */
  readonly #table: [string, string][] = [];
  #tableBytes = 0;
  #tableLimit = TABLE_BYTES;
  #bytes = new Uint8Array(0);
  #at = 0;

  /**
   * The fields of a block. A name that comes twice has its values joined by a comma. Throws
   * RangeError where it is no HPACK; the session cannot go on then.
   */
  read(block: Uint8Array): HeaderFields {
    this.#bytes = Uint8Array.from(block);
    this.#at = 0;
    const fields: HeaderFields = {};
    let count = 0;
    while (this.#at < this.#bytes.length) {
      const field = this.#field();
      if (!field) continue;
      if (++count > MOST_FIELDS) throw new RangeError(`more than ${MOST_FIELDS} header fields`);
      const [name, value] = field;
      fields[name] = Object.hasOwn(fields, name) ? `${fields[name]}, ${value}` : value;
    }
    return fields;
  }

  /** The next field; undefined: it was a change of the table's size. */
  #field(): [string, string] | undefined {
    const first = this.#bytes[this.#at];
    if (first & 0x80) return this.#entry(this.#integer(7));
    if ((first & 0xe0) === 0x20) {
      const limit = this.#integer(5);
      if (limit > TABLE_BYTES) throw new RangeError(`a table of ${limit} bytes was not offered`);
      this.#tableLimit = limit;
      this.#shrink();
      return undefined;
    }
    const kept = (first & 0xc0) === 0x40;
    const index = this.#integer(kept ? 6 : 4);
    const name = index === 0 ? this.#text() : this.#entry(index)[0];
    const value = this.#text();
    if (kept) {
      this.#table.unshift([name, value]);
      this.#tableBytes += name.length + value.length + ENTRY_BYTES;
      this.#shrink();
    }
    return [name, value];
  }

  #entry(index: number): [string, string] {
    const entry = index <= STATIC.length
      ? STATIC[index - 1]
      : this.#table[index - STATIC.length - 1];
    if (!entry) throw new RangeError(`no header field has the index ${index}`);
    return [entry[0], entry[1]];
  }

  #shrink(): void {
    while (this.#tableBytes > this.#tableLimit) {
      const [name, value] = this.#table.pop()!;
      this.#tableBytes -= name.length + value.length + ENTRY_BYTES;
    }
  }

  /** An integer whose first `bits` bits are the last ones of the next byte. */
  #integer(bits: number): number {
    const most = 2 ** bits - 1;
    let value = this.#byte() & most;
    if (value < most) return value;
    for (let factor = 1; factor <= 128 ** 3; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new RangeError("an integer of a header block is too large");
  }

  #text(): string {
    const coded = (this.#bytes[this.#at] & 0x80) !== 0;
    const length = this.#integer(7);
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError("a header block ends amid a text");
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return decoder.decode(coded ? decodeHuffman(bytes) : bytes);
  }

  #byte(): number {
    if (this.#at >= this.#bytes.length) throw new RangeError("a header block ends early");
    return this.#bytes[this.#at++];
  }
}

/** A block with these fields, which needs nothing that was written before. */
export function writeFields(fields: HeaderFields): Uint8Array {
  const bytes: number[] = [];
  for (const [name, value] of Object.entries(fields)) {
    const whole = STATIC.findIndex(([n, v]) => n === name && v === value);
    if (whole >= 0) {
      bytes.push(0x80 | whole + 1); // less than 127
      continue;
    }
    const named = STATIC.findIndex(([n]) => n === name);
    writeInteger(bytes, named + 1, { bits: 4, flags: 0 });
    if (named < 0) writeText(bytes, name);
    writeText(bytes, value);
  }
  return Uint8Array.from(bytes);
}

function writeText(bytes: number[], text: string): void {
  const encoded = encoder.encode(text);
  writeInteger(bytes, encoded.length, { bits: 7, flags: 0 });
  for (const byte of encoded) bytes.push(byte);
}

function writeInteger(
  bytes: number[],
  value: number,
  { bits, flags }: { bits: number; flags: number },
): void {
  const most = 2 ** bits - 1;
  if (value < most) return void bytes.push(flags | value);
  bytes.push(flags | most);
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push(0x80 | rest % 128);
  bytes.push(rest);
}
