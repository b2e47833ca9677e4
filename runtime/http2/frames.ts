/**
 * The frames of HTTP/2 (RFC 9113, section 4): nine bytes of head, then the payload. Payloads of DATA
 * are passed on as they come, others are collected.
 *
 * @module
 */

/** Types of frames. */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const;

/** Flags of frames; `ack` and `endStream` are the same bit of different types. */
export const FLAG = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;

/** Codes of errors. */
export const CODE = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  closed: 5,
  frameSize: 6,
  refused: 7,
  cancel: 8,
  compression: 9,
  tooMuch: 11,
} as const;

/** Bytes of a frame's head. */
const HEAD_BYTES = 9;

/** A session cannot go on: the other side has broken the protocol. */
export class Http2ProtocolError extends Error {
  override readonly name = "Http2ProtocolError";
}

/** The head of a frame. */
export interface FrameHead {
  length: number;
  type: number;
  flags: number;
  /** 0: the frame is the session's. */
  stream: number;
}

/** The bytes of a frame's head. */
export function headOf({ length, type, flags, stream }: FrameHead): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length << 8 | type);
  bytes[4] = flags;
  view.setUint32(5, stream);
  return bytes;
}

/** A whole frame. */
export function frame(
  type: number,
  { flags = 0, stream = 0, payload = new Uint8Array(0) }: {
    flags?: number;
    stream?: number;
    payload?: Uint8Array;
  } = {},
): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + payload.length);
  bytes.set(headOf({ length: payload.length, type, flags, stream }));
  bytes.set(payload, HEAD_BYTES);
  return bytes;
}

/** Four-byte words, big-endian, as payloads have them. */
export function words(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setUint32(4 * i, value));
  return new Uint8Array(view.buffer);
}

/** Takes the frames of a session. */
export interface FrameSink {
  /** A frame begins. Throws {@linkcode Http2ProtocolError} where it may not. */
  begin(head: FrameHead): void;
  /** Bytes of a DATA frame, whose head was told; valid during the call. */
  data(head: FrameHead, part: Uint8Array): void;
  /** A frame is complete; `payload` is empty for DATA. */
  end(head: FrameHead, payload: Uint8Array): void;
}

/** Cuts what arrives into frames. */
export class FrameParser {
  readonly #sink: FrameSink;
  readonly #mostBytes: () => number;
  readonly #head = new Uint8Array(HEAD_BYTES);
  #headBytes = 0;
  /** The frame that is arriving; undefined: its head is. */
  #current?: FrameHead;
  /** Payload so far; of DATA it is not kept. */
  #payload = new Uint8Array(0);
  #payloadBytes = 0;

  /** `mostBytes`: the longest payload that was agreed on. */
  constructor(sink: FrameSink, mostBytes: () => number) {
    this.#sink = sink;
    this.#mostBytes = mostBytes;
  }

  /** Takes bytes. Throws {@linkcode Http2ProtocolError}, and what the sink throws. */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      if (!this.#current) {
        const n = Math.min(HEAD_BYTES - this.#headBytes, chunk.length - at);
        this.#head.set(chunk.subarray(at, at + n), this.#headBytes);
        this.#headBytes += n;
        at += n;
        if (this.#headBytes === HEAD_BYTES) this.#begin();
        continue;
      }
      const n = Math.min(this.#current.length - this.#payloadBytes, chunk.length - at);
      this.#take(chunk.subarray(at, at + n));
      at += n;
      if (this.#payloadBytes === this.#current?.length) this.#end();
    }
  }

  #begin(): void {
    const view = new DataView(this.#head.buffer);
    const head: FrameHead = {
      length: view.getUint32(0) >>> 8,
      type: this.#head[3],
      flags: this.#head[4],
      stream: view.getUint32(5) & 0x7fffffff,
    };
    this.#headBytes = 0;
    if (head.length > this.#mostBytes()) {
      throw new Http2ProtocolError(`a frame of ${head.length} bytes, at most ${this.#mostBytes()}`);
    }
    this.#sink.begin(head);
    this.#current = head;
    this.#payloadBytes = 0;
    if (head.type !== FRAME.data) this.#payload = new Uint8Array(head.length);
    if (head.length === 0) this.#end();
  }

  #take(part: Uint8Array): void {
    const head = this.#current!;
    if (head.type === FRAME.data) this.#sink.data(head, part);
    else this.#payload.set(part, this.#payloadBytes);
    this.#payloadBytes += part.length;
  }

  #end(): void {
    const head = this.#current!;
    const payload = head.type === FRAME.data ? new Uint8Array(0) : this.#payload;
    this.#current = undefined;
    this.#payload = new Uint8Array(0);
    this.#sink.end(head, payload);
  }
}
