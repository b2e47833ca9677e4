/**
 * The padding of DATA frames, whose bytes arrive in parts: its length is a frame's first byte, and
 * the padding itself stands at the frame's end.
 *
 * @module
 */
import { FLAG, type FrameHead, Http2ProtocolError } from "./frames.ts";

/** Takes the padding out of the DATA frames of one connection, one after the other. */
export class DataPadding {
  /** Of the frame that is arriving: bytes of padding, once they are known, and bytes to come. */
  #frame?: { padding?: number; left: number };

  /**
   * The bytes of a part that are no padding, a view. Throws {@linkcode Http2ProtocolError} where a
   * frame says that it has more padding than bytes.
   */
  strip({ flags, length }: FrameHead, part: Uint8Array): Uint8Array {
    if (!(flags & FLAG.padded)) return part;
    const frame = this.#frame ??= { left: length };
    let bytes = part;
    if (frame.padding === undefined) {
      frame.padding = bytes[0];
      if (frame.padding >= length) throw new Http2ProtocolError("more padding than bytes");
      bytes = bytes.subarray(1);
      frame.left--;
    }
    const own = Math.max(0, frame.left - frame.padding);
    frame.left -= bytes.length;
    return bytes.subarray(0, own);
  }

  /** The frame is over. */
  end(): void {
    this.#frame = undefined;
  }
}
