/**
 * What goes over a mailbox stream: `u32 length` (big endian) and that many bytes of CBOR.
 *
 * Client to server: {@linkcode Hello}, then `[seq, envelope]` with seq 1, 2, 3 ..., at the end
 * `{t: "bye"}`. Server to client: {@linkcode Welcome}, then integers: the highest seq received so
 * far; `{t: "error", error}` before it gives up on the stream.
 *
 * @module
 */
import { z } from "zod";
import { type Envelope, wireErrorSchema } from "../../actors/system/mod.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { mailboxError } from "./errors.ts";

/** The one path that a mailbox serves. */
export const MAILBOX_PATH = "/mailbox/v1";
/** Version in hello and welcome. */
export const WIRE_VERSION = 1;
/** Longest control frame (hello, welcome, acknowledgement, error). */
export const CONTROL_BYTES = 65536;

const nodeId = z.string().min(1).max(256);

/** First frame from the connecting side. */
export const helloSchema = z.object({
  t: z.literal("hello"),
  v: z.number(),
  node: nodeId,
  /** Distinguishes two lives of one node; a later life has the larger number. */
  incarnation: z.number().int().nonnegative(),
  /** Whom the sender means to reach. */
  to: nodeId,
  /** Numbers the sender's sequences to this peer: seq starts again at 1 with a new one. */
  link: z.number().int().positive(),
  /** First seq that the sender may still send. */
  base: z.number().int().positive(),
  /** Where the sender can be reached. */
  host: z.string().min(1).max(255).optional(),
  port: z.number().int().min(1).max(65535).optional(),
});
/** See {@linkcode helloSchema}. */
export type Hello = z.infer<typeof helloSchema>;

/** Answer to a hello. */
export const welcomeSchema = z.object({
  t: z.literal("welcome"),
  v: z.number(),
  node: nodeId,
  incarnation: z.number().int().nonnegative(),
  /** Highest seq of this link received. */
  received: z.number().int().nonnegative(),
});
/** See {@linkcode welcomeSchema}. */
export type Welcome = z.infer<typeof welcomeSchema>;

/** The peer gives up on the stream. */
export const errorFrameSchema = z.object({ t: z.literal("error"), error: wireErrorSchema });

/** The peer leaves for good. */
export const byeSchema = z.object({
  t: z.literal("bye"),
  /**
   * What it took in the other direction, so that nobody takes an acknowledgement under way for a
   * loss.
   */
  took: z.object({ link: z.number().int().positive(), seq: z.number().int().nonnegative() })
    .optional(),
});
/** See {@linkcode byeSchema}. */
export type Bye = z.infer<typeof byeSchema>;

/** A control frame, length included. */
export function controlFrame(value: unknown): Uint8Array {
  const frame = encodeCbor(value, 4);
  new DataView(frame.buffer).setUint32(0, frame.byteLength - 4);
  return frame;
}

/** Bytes before the envelope: u32 length, array head, u64 seq. */
const HEAD_BYTES = 4 + 1 + 9;

/**
 * The frame of an envelope, length included, with room for its seq, which {@linkcode stampSeq}
 * fills in. Throws `too_large`, `unencodable`.
 */
export function encodeEnvelope(envelope: Envelope, maxBytes: number): Uint8Array {
  checkEnvelope(envelope);
  const frame = encodeCbor(envelope, HEAD_BYTES);
  const bytes = frame.byteLength - 4;
  if (bytes > maxBytes) {
    throw mailboxError(
      "too_large",
      `message of ${bytes} bytes is over the limit of ${maxBytes} bytes`,
      {
        bytes,
        limit: maxBytes,
      },
    );
  }
  new DataView(frame.buffer).setUint32(0, bytes);
  frame[4] = 0x82;
  frame[5] = 0x1b;
  return frame;
}

/** Writes the seq into the frame of an envelope. */
export function stampSeq(frame: Uint8Array, seq: number): void {
  const view = new DataView(frame.buffer);
  view.setUint32(6, Math.floor(seq / 0x100000000));
  view.setUint32(10, seq >>> 0);
}

/** The envelope of a frame that {@linkcode encodeEnvelope} made. */
export function envelopeOf(frame: Uint8Array): Envelope {
  return decodeCbor(frame.subarray(HEAD_BYTES)) as Envelope;
}

/**
 * Cuts a byte stream into frames. Memory for an unfinished frame grows with the bytes that arrive,
 * not with its length.
 */
export class FrameReader {
  /** Longest frame accepted; may be raised after the hello. */
  maxBytes: number;
  readonly #onFrame: (frame: Uint8Array) => void;
  readonly #header = new Uint8Array(4);
  #headerHave = 0;
  #want = -1;
  #partial: Uint8Array<ArrayBuffer> | undefined;
  #have = 0;
  #stopped = false;

  constructor(maxBytes: number, onFrame: (frame: Uint8Array) => void) {
    this.maxBytes = maxBytes;
    this.#onFrame = onFrame;
  }

  /** Is a frame begun and not finished? */
  get partial(): boolean {
    return this.#headerHave > 0 || this.#want >= 0;
  }

  /** Drops everything that still comes. */
  stop(): void {
    this.#stopped = true;
    this.#partial = undefined;
  }

  /** Takes bytes; throws `protocol` for a frame over the limit and whatever `onFrame` throws. */
  push(chunk: Uint8Array): void {
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    while (at < bytes.byteLength && !this.#stopped) {
      if (this.#want < 0) {
        while (this.#headerHave < 4 && at < bytes.byteLength) {
          this.#header[this.#headerHave++] = bytes[at++];
        }
        if (this.#headerHave < 4) return;
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

  #append(bytes: Uint8Array): void {
    const need = this.#have + bytes.byteLength;
    if (!this.#partial || this.#partial.byteLength < need) {
      const size = Math.min(
        this.#want,
        Math.max(65536, need, (this.#partial?.byteLength ?? 0) * 4),
      );
      const next = new Uint8Array(size);
      if (this.#partial) next.set(this.#partial.subarray(0, this.#have));
      this.#partial = next;
    }
    this.#partial.set(bytes, this.#have);
    this.#have = need;
  }
}

/** Decodes `[seq, envelope]`. Throws `protocol`. */
export function decodeMessage(
  frame: Uint8Array,
): { seq: number; envelope: Envelope } | { control: unknown } {
  const value = decodeCbor(frame);
  if (!Array.isArray(value)) return { control: value };
  const [seq, envelope] = value;
  if (value.length !== 2 || !isCount(seq) || seq === 0) {
    throw mailboxError("protocol", "a message must be [seq, envelope] with a positive seq");
  }
  checkEnvelope(envelope);
  return { seq, envelope };
}

/**
 * Checks an envelope's outer shape (its body belongs to the actor). Throws `protocol`, naming the
 * field.
 */
export function checkEnvelope(value: unknown): asserts value is Envelope {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fail("envelope", value, "a map");
  }
  const e = value as Record<string, unknown>;
  switch (e.kind) {
    case "tell":
    case "ask":
      if (!isCount(e.id)) fail("id", e.id, "an integer from 0");
      if (!isText(e.to, 512)) fail("to", e.to, "an address");
      if (!isText(e.from, 512)) fail("from", e.from, "an address or empty");
      if (!isText(e.type, 256)) fail("type", e.type, "a message name");
      if (e.ttlMs !== undefined && !(typeof e.ttlMs === "number" && Number.isFinite(e.ttlMs))) {
        fail("ttlMs", e.ttlMs, "a finite number of milliseconds");
      }
      if (e.epoch !== undefined && !isCount(e.epoch)) fail("epoch", e.epoch, "an integer from 0");
      if (e.trace !== undefined) {
        const trace = e.trace as { traceparent?: unknown } | null;
        if (typeof trace !== "object" || !isText(trace?.traceparent, 256)) {
          fail("trace", e.trace, "a trace context");
        }
      }
      return;
    case "reply":
    case "cancel":
      if (!isCount(e.id)) fail("id", e.id, "an integer from 0");
      return;
    case "error":
      if (!isCount(e.id)) fail("id", e.id, "an integer from 0");
      if (!wireErrorSchema.safeParse(e.error).success) fail("error", e.error, "a wire error");
      return;
    case "credit":
      if (!isText(e.to, 512)) fail("to", e.to, "an address");
      if (!isCount(e.n)) fail("n", e.n, "an integer from 0");
      return;
    default:
      fail("kind", e.kind, "tell, ask, reply, error, cancel or credit");
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isText(value: unknown, max: number): boolean {
  return typeof value === "string" && value.length <= max;
}

function fail(field: string, value: unknown, want: string): never {
  const shown = typeof value === "string" || typeof value === "number"
    ? JSON.stringify(value).slice(0, 80)
    : typeof value;
  throw mailboxError("protocol", `envelope field ${field} is ${shown}, wanted ${want}`);
}
