/**
 * What goes over a mailbox stream: frames of a length (u32, big-endian) and that many bytes of
 * CBOR.
 *
 * The connecting side sends a {@linkcode Hello}, then `[seq, envelope]` with seq 1, 2, 3 ..., and
 * at the end a {@linkcode Bye}. The other side answers with a {@linkcode Welcome}, then with
 * integers: the highest seq received so far. It sends `{t: "error", error}` before it gives the
 * stream up.
 *
 * @module
 */
import { z } from "zod";
import { type Envelope, wireErrorSchema } from "../../actors/system/mod.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { mailboxError } from "./errors.ts";
import { LENGTH_BYTES } from "./frame_reader.ts";

/** HTTP path of the streams between mailboxes. */
export const MAILBOX_PATH = "/mailbox/v1";
/** Longest control frame (hello, welcome, acknowledgement, error), bytes. */
export const CONTROL_BYTES = 65536;

/** Longest address of an actor, and longest other name, in an envelope or a hello. Characters. */
const ADDRESS_CHARS = 512;
const NAME_CHARS = 256;

const version = z.number().int().nonnegative().max(1_000_000);
const nodeId = z.string().min(1).max(NAME_CHARS);

/** Schema of the first frame from the connecting side. */
export const helloSchema = z.object({
  t: z.literal("hello"),
  /** Lowest version of the protocol that the sender speaks, see `protocol.ts`. */
  v: version,
  /** Highest version that it speaks. @default `v` */
  highest: version.optional(),
  node: nodeId,
  /** Number of this life of the sender; a later life has a larger number. */
  incarnation: z.number().int().nonnegative(),
  /** Name of the node that the sender means to reach. */
  to: nodeId,
  /** Number of the sender's sequence of messages to this node; seq starts at 1 in each sequence. */
  link: z.number().int().positive(),
  /** Lowest seq that the sender may still send. */
  base: z.number().int().positive(),
  /** Where the sender can be reached; undefined: it does not say. */
  host: z.string().min(1).max(255).optional(),
  port: z.number().int().min(1).max(65535).optional(),
});
/** See {@linkcode helloSchema}. */
export type Hello = z.infer<typeof helloSchema>;

/** Schema of the answer to a hello. */
export const welcomeSchema = z.object({
  t: z.literal("welcome"),
  /** The version that the link uses. */
  v: version,
  node: nodeId,
  incarnation: z.number().int().nonnegative(),
  /** Highest seq received in the sequence that the hello names. */
  received: z.number().int().nonnegative(),
});
/** See {@linkcode welcomeSchema}. */
export type Welcome = z.infer<typeof welcomeSchema>;

/** Schema of the last frame of a side that gives the stream up. */
export const errorFrameSchema = z.object({ t: z.literal("error"), error: wireErrorSchema });

/** Schema of the last frame of a node that leaves for good. */
export const byeSchema = z.object({
  t: z.literal("bye"),
  /**
   * Link and highest seq that the leaving node received from the other one. Acknowledgements that
   * are lost with the connection are made good by it. Undefined: it received nothing.
   */
  took: z.object({ link: z.number().int().positive(), seq: z.number().int().nonnegative() })
    .optional(),
});
/** See {@linkcode byeSchema}. */
export type Bye = z.infer<typeof byeSchema>;

/** The frame of a control value, length included. */
export function controlFrame(value: unknown): Uint8Array {
  const frame = encodeCbor(value, LENGTH_BYTES);
  new DataView(frame.buffer).setUint32(0, frame.byteLength - LENGTH_BYTES);
  return frame;
}

/** CBOR's head of an array of two items. */
const PAIR_HEAD = 0x82;
/** CBOR's head of an unsigned integer of 8 bytes. */
const U64_HEAD = 0x1b;
/** Place of the 8 bytes of a seq in a frame: after the length and the two heads. */
const SEQ_AT = LENGTH_BYTES + 2;
/** Bytes before the envelope: length, the array's head, seq with its head. */
const HEAD_BYTES = SEQ_AT + 8;
/** The same without the length. */
const HEAD_BYTES_OF_PAIR = HEAD_BYTES - LENGTH_BYTES;

/**
 * The frame of an envelope, length included; {@linkcode stampSeq} writes its seq later. Throws
 * group `mailbox`: `too_large` (metadata: `bytes`, `limit`), `unencodable`, `protocol`.
 */
export function encodeEnvelope(envelope: Envelope, maxBytes: number): Uint8Array {
  checkEnvelope(envelope);
  const frame = encodeCbor(envelope, HEAD_BYTES);
  const bytes = frame.byteLength - LENGTH_BYTES;
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
  frame[LENGTH_BYTES] = PAIR_HEAD;
  frame[LENGTH_BYTES + 1] = U64_HEAD;
  return frame;
}

/** Writes the seq into the frame of an envelope, as two big-endian halves. */
export function stampSeq(frame: Uint8Array, seq: number): void {
  const view = new DataView(frame.buffer);
  view.setUint32(SEQ_AT, Math.floor(seq / 2 ** 32));
  view.setUint32(SEQ_AT + 4, seq >>> 0);
}

/** The seq in the content of a frame, as {@linkcode stampSeq} writes it. */
function seqOf(content: Uint8Array): number {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const at = SEQ_AT - LENGTH_BYTES;
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

/** The envelope in a frame that {@linkcode encodeEnvelope} made. */
export function envelopeOf(frame: Uint8Array): Envelope {
  return decodeCbor(frame.subarray(HEAD_BYTES)) as Envelope;
}

/**
 * Decodes the content of a frame: `[seq, envelope]` or a control value. Throws `protocol` (group
 * `mailbox`).
 */
export function decodeMessage(
  frame: Uint8Array,
): { seq: number; envelope: Envelope } | { control: unknown } {
  const ours = frame[0] === PAIR_HEAD && frame[1] === U64_HEAD && frame.length > HEAD_BYTES_OF_PAIR;
  const value = ours
    ? [seqOf(frame), decodeCbor(frame.subarray(HEAD_BYTES_OF_PAIR))]
    : decodeCbor(frame);
  if (!Array.isArray(value)) return { control: value };
  const [seq, envelope] = value;
  if (value.length !== 2 || !isCount(seq) || seq === 0) {
    throw mailboxError("protocol", "a message must be [seq, envelope] with a positive seq");
  }
  checkEnvelope(envelope);
  return { seq, envelope };
}

/**
 * Checks the fields of an envelope, without its body, which the receiving actor checks. Throws
 * `protocol` (group `mailbox`), naming the field.
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
      if (!isText(e.to, ADDRESS_CHARS)) fail("to", e.to, "an address");
      if (!isText(e.from, ADDRESS_CHARS)) fail("from", e.from, "an address or empty");
      if (!isText(e.type, NAME_CHARS)) fail("type", e.type, "a message name");
      if (e.ttlMs !== undefined && !(typeof e.ttlMs === "number" && Number.isFinite(e.ttlMs))) {
        fail("ttlMs", e.ttlMs, "a finite number of milliseconds");
      }
      if (e.epoch !== undefined && !isCount(e.epoch)) fail("epoch", e.epoch, "an integer from 0");
      if (e.key !== undefined && !isText(e.key, NAME_CHARS)) fail("key", e.key, "a short text");
      if (e.trace !== undefined) {
        const trace = e.trace as { traceparent?: unknown } | null;
        if (typeof trace !== "object" || !isText(trace?.traceparent, NAME_CHARS)) {
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
      if (!isText(e.to, ADDRESS_CHARS)) fail("to", e.to, "an address");
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
