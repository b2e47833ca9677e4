/**
 * The frames of a mailbox stream: a length (u32, big-endian) and that many bytes.
 *
 * @module
 */
import { mailboxError } from "./errors.ts";

/** Bytes of a frame's length. */
export const LENGTH_BYTES = 4;
/** First size of the buffer for an unfinished frame, bytes. */
const FIRST_PARTIAL_BYTES = 65536;

/**
 * Cuts a byte stream into frames. Memory for an unfinished frame grows with the bytes that have
 * arrived, whatever length the frame claims to have.
 */
export class FrameReader {
  /** Longest frame accepted, bytes; may be raised after the hello. */
  maxBytes: number;
  readonly #onFrame: (frame: Uint8Array) => void;
  /** The length of the next frame, as far as it has arrived. */
  readonly #header = new Uint8Array(LENGTH_BYTES);
  #headerHave = 0;
  /** Bytes of the frame that is being read; -1 between two frames. */
  #want = -1;
  /** Bytes of that frame from earlier chunks; undefined: there are none. */
  #partial: Uint8Array<ArrayBuffer> | undefined;
  /** How many bytes of `#partial` are filled. */
  #have = 0;
  #stopped = false;

  /**
   * @param maxBytes Longest frame accepted, bytes.
   * @param onFrame Called with each frame, without its length; the bytes are valid during the call.
   */
  constructor(maxBytes: number, onFrame: (frame: Uint8Array) => void) {
    this.maxBytes = maxBytes;
    this.#onFrame = onFrame;
  }

  /** true while a frame has begun and is not complete. */
  get partial(): boolean {
    return this.#headerHave > 0 || this.#want >= 0;
  }

  /** Bytes of the frame that has begun, and how many have come; undefined: none has. */
  get pending(): { have: number; want: number } | undefined {
    return this.#want < 0 ? undefined : { have: this.#have, want: this.#want };
  }

  /** Makes {@linkcode FrameReader.push} ignore everything from now on. */
  stop(): void {
    this.#stopped = true;
    this.#partial = undefined;
  }

  /**
   * Takes the next bytes of the stream. Throws `protocol` (group `mailbox`) for an empty frame or
   * one over the limit, and whatever `onFrame` throws.
   */
  push(chunk: Uint8Array): void {
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    while (at < bytes.byteLength && !this.#stopped) {
      if (this.#want < 0) {
        while (this.#headerHave < LENGTH_BYTES && at < bytes.byteLength) {
          this.#header[this.#headerHave++] = bytes[at++];
        }
        if (this.#headerHave < LENGTH_BYTES) return;
        this.#headerHave = 0;
        const [a, b, c, d] = this.#header;
        const want = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
        if (want > this.maxBytes || want === 0) {
          throw mailboxError(
            "protocol",
            `frame of ${want} bytes; the limit is 1 to ${this.maxBytes} bytes`,
            {
              bytes: want,
              limit: this.maxBytes,
            },
          );
        }
        this.#want = want;
        this.#have = 0;
      }
      const left = bytes.byteLength - at;
      if (!this.#partial && left >= this.#want) {
        const frame = bytes.subarray(at, at + this.#want);
        at += this.#want;
        this.#want = -1;
        this.#onFrame(frame);
        continue;
      }
      const take = Math.min(left, this.#want - this.#have);
      this.#append(bytes.subarray(at, at + take));
      at += take;
      if (this.#have === this.#want) {
        const frame = this.#partial!.subarray(0, this.#want);
        this.#partial = undefined;
        this.#want = -1;
        this.#onFrame(frame);
      }
    }
  }

  /** Appends bytes to `#partial`, which grows fourfold so that a large frame is copied seldom. */
  #append(bytes: Uint8Array): void {
    const need = this.#have + bytes.byteLength;
    if (!this.#partial || this.#partial.byteLength < need) {
      const size = Math.min(
        this.#want,
        Math.max(FIRST_PARTIAL_BYTES, need, (this.#partial?.byteLength ?? 0) * 4),
      );
      const next = new Uint8Array(size);
      if (this.#partial) next.set(this.#partial.subarray(0, this.#have));
      this.#partial = next;
    }
    this.#partial.set(bytes, this.#have);
    this.#have = need;
  }
}
