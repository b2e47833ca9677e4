/**
 * Header blocks as they arrive: a HEADERS frame and the CONTINUATION frames behind it, without
 * padding and priorities.
 *
 * @module
 */
import { FLAG, type FrameHead, Http2ProtocolError } from "./frames.ts";
import { FieldReader, type HeaderFields } from "./hpack.ts";

/** Most bytes of a header block. */
const MOST_FIELD_BYTES = 64 * 1024;

/** The fields of a block that has come whole. */
export interface ReadFields {
  /** Number of the stream. */
  stream: number;
  fields: HeaderFields;
  /** The other side sends nothing more on the stream. */
  ends: boolean;
}

/** Puts the header blocks of one connection together, one after the other. */
export class HeaderBlocks {
  /** Decodes fields; it knows those of earlier blocks. */
  readonly #reader = new FieldReader();
  /** The block that is arriving, and the flags of its first frame; undefined: none is. */
  #block?: { stream: number; flags: number; bytes: Uint8Array };

  /** Number of the stream whose block is arriving; undefined: none is. */
  get arriving(): number | undefined {
    return this.#block?.stream;
  }

  /**
   * A HEADERS frame has come. Returns the fields where the block is whole. Throws
   * {@linkcode Http2ProtocolError}.
   */
  begin({ flags, stream, length }: FrameHead, payload: Uint8Array): ReadFields | undefined {
    if (stream === 0) throw new Http2ProtocolError("HEADERS of no stream");
    let from = 0;
    let to = length;
    if (flags & FLAG.padded) {
      to -= payload[0] ?? 0;
      from = 1;
    }
    if (flags & FLAG.priority) from += 5;
    if (from > to) throw new Http2ProtocolError("HEADERS with more padding than bytes");
    this.#block = { stream, flags, bytes: new Uint8Array(0) };
    return this.add(flags, payload.subarray(from, to));
  }

  /** A CONTINUATION frame has come. Returns and throws as {@linkcode HeaderBlocks.begin}. */
  add(flags: number, part: Uint8Array): ReadFields | undefined {
    const block = this.#block;
    if (!block) throw new Http2ProtocolError("CONTINUATION of nothing");
    if (block.bytes.length + part.length > MOST_FIELD_BYTES) {
      throw new Http2ProtocolError(`a header block of more than ${MOST_FIELD_BYTES} bytes`);
    }
    const bytes = new Uint8Array(block.bytes.length + part.length);
    bytes.set(block.bytes);
    bytes.set(part, block.bytes.length);
    block.bytes = bytes;
    if (!(flags & FLAG.endHeaders)) return undefined;
    this.#block = undefined;
    const fields = this.#reader.read(bytes);
    return { stream: block.stream, fields, ends: (block.flags & FLAG.endStream) !== 0 };
  }
}
