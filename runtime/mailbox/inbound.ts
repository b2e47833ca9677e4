/**
 * The receiving half of a link: a peer's stream, from its hello to its bye.
 *
 * @module
 */
import { type Envelope, type NodeId, OrreryError } from "../../actors/system/mod.ts";
import type { Http2Stream } from "../http2/mod.ts";
import { decodeCbor } from "./cbor.ts";
import { mailboxError } from "./errors.ts";
import { FrameReader } from "./frame_reader.ts";
import type { MailboxLimits } from "./limits.ts";
import { ArrivalTimer } from "./link_meter.ts";
import type { InboundLink, Peer } from "./peer.ts";
import { commonVersion, type ProtocolRange, speaks } from "./protocol.ts";
import {
  byeSchema,
  CONTROL_BYTES,
  controlFrame,
  decodeMessage,
  type Hello,
  helloSchema,
} from "./wire.ts";

/**
 * While a long message arrives, the last acknowledgement is repeated at this interval, so that the
 * sender does not take the stream for dead. Milliseconds.
 */
const PROGRESS_MS = 1000;

/** What an {@linkcode InboundStream} needs from its mailbox. */
export interface InboundOwner {
  /** Name of this node. */
  node: NodeId;
  /** This life of the node, see {@linkcode Hello}. */
  incarnation: number;
  limits: MailboxLimits;
  /** Bytes of messages that came from all nodes so far. */
  inflow: { bytes: number };
  /** The versions that this node speaks. */
  protocol: ProtocolRange;
  /** The peer that sent this hello; undefined if this mailbox does not accept it. */
  admit(hello: Hello): Peer | undefined;
  /** See {@linkcode MailboxOptions.epochOf}. */
  epochOf?(to: string): number;
  /** Called with each envelope once, in the order of its sequence. */
  receive(from: NodeId, envelope: Envelope): void;
  /**
   * Called when a connection broke the protocol, whether it came from a peer or from a stranger.
   */
  offended(error: OrreryError): void;
}

/** Reads a stream that a peer opened: a hello, then messages. */
export class InboundStream {
  readonly #stream: Http2Stream;
  readonly #owner: InboundOwner;
  readonly #reader: FrameReader;
  readonly #arrivals = new ArrivalTimer();
  readonly #helloTimer: ReturnType<typeof setTimeout>;
  /** The peer and its link; undefined before the hello. */
  #peer?: Peer;
  #link?: InboundLink;
  /** The version that both ends speak; 0 before the hello. */
  #version = 0;
  /** Messages, and bytes of them, that came since the last acknowledgement. */
  #unackedMessages = 0;
  #unackedBytes = 0;
  #ackTimer?: ReturnType<typeof setTimeout>;
  #ended = false;

  constructor(stream: Http2Stream, owner: InboundOwner) {
    this.#stream = stream;
    this.#owner = owner;
    this.#reader = new FrameReader(CONTROL_BYTES, (frame) => this.#frame(frame));
    const { helloTimeoutMs } = owner.limits;
    this.#helloTimer = setTimeout(
      () => this.#refuse(mailboxError("protocol", `no hello within ${helloTimeoutMs} ms`)),
      helloTimeoutMs,
    );
    stream.on("data", (chunk: Uint8Array) => {
      if (this.#ended) return;
      if (this.#peer) {
        this.#peer.heard();
        this.#count(this.#peer, chunk.byteLength);
      }
      try {
        this.#reader.push(chunk);
        if (this.#link && this.#reader.partial) {
          this.#ackTimer ??= setTimeout(() => this.#acknowledge(true), PROGRESS_MS);
        }
      } catch (error) {
        this.#refuse(error);
      }
    });
    stream.on("end", () => {
      if (!this.#ended && this.#reader.partial) {
        this.#refuse(mailboxError("protocol", "the stream ends inside a frame"));
      } else this.#finish();
    });
    stream.on("close", () => this.#finish());
  }

  /** Counts bytes that come, and times those of large messages. */
  #count(peer: Peer, bytes: number): void {
    const { inflow } = this.#owner;
    const { pending } = this.#reader;
    const now = performance.now();
    const part = this.#arrivals.chunk(now, { bytes, pending, total: inflow.bytes });
    if (part) peer.meter.received(now, part);
    inflow.bytes += bytes;
    peer.counters.bytesReceived += bytes;
  }

  /** Handles a frame: the hello, a message or the bye. */
  #frame(frame: Uint8Array): void {
    if (!this.#link) return this.#hello(frame);
    const message = decodeMessage(frame);
    const peer = this.#peer!;
    const link = this.#link;
    if ("control" in message) {
      const bye = byeSchema.safeParse(message.control);
      if (!bye.success) throw mailboxError("protocol", "unexpected control frame");
      this.#acknowledge();
      this.#finish();
      this.#stream.end();
      peer.left(bye.data);
      return;
    }
    const { seq, envelope } = message;
    if (seq > link.received + 1) {
      throw mailboxError("protocol", `seq ${seq} after ${link.received}: messages are missing`);
    }
    this.#unackedMessages++;
    this.#unackedBytes += frame.byteLength;
    if (seq <= link.received) {
      peer.counters.duplicates++;
    } else {
      link.received = seq;
      peer.counters.received++;
      this.#owner.receive(peer.id, this.#withEpoch(envelope));
    }
    this.#acknowledgeSoon();
  }

  /**
   * A message of a node whose version knows no terms is for whoever owns the address here. It came
   * to this node in the order in which it was sent, and whether this node owns the address is judged
   * as ever (the fence).
   */
  #withEpoch(envelope: Envelope): Envelope {
    const { epochOf } = this.#owner;
    const isMessage = envelope.kind === "tell" || envelope.kind === "ask";
    if (!isMessage || !epochOf || speaks("terms", this.#version)) return envelope;
    return { ...envelope, epoch: epochOf(envelope.to) };
  }

  #hello(frame: Uint8Array): void {
    const parsed = helloSchema.safeParse(decodeCbor(frame));
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw mailboxError(
        "protocol",
        `bad hello: ${issue.path.join(".") || "frame"}: ${issue.message}`,
      );
    }
    const hello = parsed.data;
    const { node, incarnation, protocol } = this.#owner;
    const spoken = { lowest: hello.v, highest: Math.max(hello.v, hello.highest ?? hello.v) };
    this.#version = commonVersion({ node, protocol }, { node: hello.node, protocol: spoken });
    if (hello.to !== node) throw mailboxError("protocol", `this is node ${node}, not ${hello.to}`);
    if (hello.node === node) throw mailboxError("protocol", `node ${node} talks to itself`);
    const peer = this.#owner.admit(hello);
    if (!peer) {
      throw mailboxError("unknown_peer", `node ${hello.node} is not welcome at node ${node}`);
    }
    clearTimeout(this.#helloTimer);
    this.#peer = peer;
    this.#link = peer.greet(hello, () => {
      this.#finish();
      setImmediate(() => this.#stream.close());
    });
    this.#reader.maxBytes = this.#owner.limits.maxMessageBytes;
    this.#stream.write(
      controlFrame({
        t: "welcome",
        v: this.#version,
        node,
        incarnation,
        received: this.#link.received,
      }),
    );
  }

  /** Acknowledges now if the limits say so, else after `ackDelayMs`. */
  #acknowledgeSoon(): void {
    const { ackMessages, ackBytes, ackDelayMs } = this.#owner.limits;
    if (this.#unackedMessages >= ackMessages || this.#unackedBytes >= ackBytes) this.#acknowledge();
    else if (this.#unackedMessages === 1) {
      clearTimeout(this.#ackTimer);
      this.#ackTimer = setTimeout(() => this.#acknowledge(), ackDelayMs);
    }
  }

  /** Sends the highest seq received. @param always Also if nothing new came since the last time. */
  #acknowledge(always = false): void {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    if ((this.#unackedMessages === 0 && !always) || this.#ended) return;
    this.#unackedMessages = 0;
    this.#unackedBytes = 0;
    this.#stream.write(controlFrame(this.#link!.received));
  }

  /** Sends the peer an error frame and ends the stream. */
  #refuse(cause: unknown): void {
    if (this.#ended) return;
    const error = cause instanceof OrreryError ? cause : mailboxError(
      "protocol",
      `cannot read the stream: ${cause instanceof Error ? cause.message : cause}`,
    );
    this.#owner.offended(error);
    this.#finish();
    this.#stream.end(
      controlFrame({ t: "error", error: error.toWire() }),
      () => setImmediate(() => this.#stream.close()),
    );
  }

  /** Ends the reading: whatever still comes on the stream is thrown away. */
  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#helloTimer);
    clearTimeout(this.#ackTimer);
    this.#reader.stop();
    if (this.#link) this.#link.close = undefined;
    if (!this.#stream.writableEnded && !this.#stream.destroyed) this.#stream.resume();
  }
}
