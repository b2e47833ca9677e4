/**
 * The receiving half of a link: a peer's stream, from its hello to its farewell.
 *
 * @module
 */
import type { ServerHttp2Stream } from "node:http2";
import { type Envelope, type NodeId, OrreryError } from "../../actors/system/mod.ts";
import { decodeCbor } from "./cbor.ts";
import { mailboxError } from "./errors.ts";
import type { MailboxLimits } from "./limits.ts";
import type { Peer } from "./peer.ts";
import {
  byeSchema,
  CONTROL_BYTES,
  controlFrame,
  decodeMessage,
  FrameReader,
  type Hello,
  helloSchema,
  WIRE_VERSION,
} from "./wire.ts";

/**
 * While a long message arrives, the last acknowledgement is repeated so often: the sender sees that
 * it gets through.
 */
const PROGRESS_MS = 1000;

/** What an {@linkcode InboundStream} needs from its mailbox. */
export interface InboundOwner {
  node: NodeId;
  incarnation: number;
  limits: MailboxLimits;
  /** The peer that says hello, or undefined if it is not welcome. */
  admit(hello: Hello): Peer | undefined;
  receive(from: NodeId, envelope: Envelope): void;
  /** A peer broke the protocol (or is no peer at all). */
  offended(error: OrreryError): void;
}

/** Reads a stream that has begun: hello, then messages. */
export class InboundStream {
  readonly #stream: ServerHttp2Stream;
  readonly #owner: InboundOwner;
  readonly #reader: FrameReader;
  readonly #helloTimer: ReturnType<typeof setTimeout>;
  #peer?: Peer;
  #inbox?: NonNullable<Peer["inbox"]>;
  #unackedMessages = 0;
  #unackedBytes = 0;
  #ackTimer?: ReturnType<typeof setTimeout>;
  #ended = false;

  constructor(stream: ServerHttp2Stream, owner: InboundOwner) {
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
      if (this.#peer) this.#peer.counters.bytesReceived += chunk.byteLength;
      try {
        this.#reader.push(chunk);
        if (this.#inbox && this.#reader.partial) {
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

  #frame(frame: Uint8Array): void {
    if (!this.#inbox) return this.#hello(frame);
    const message = decodeMessage(frame);
    const peer = this.#peer!;
    const inbox = this.#inbox;
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
    if (seq > inbox.received + 1) {
      throw mailboxError("protocol", `seq ${seq} after ${inbox.received}: messages are missing`);
    }
    this.#unackedMessages++;
    this.#unackedBytes += frame.byteLength;
    if (seq <= inbox.received) {
      peer.counters.duplicates++;
    } else {
      inbox.received = seq;
      peer.counters.received++;
      this.#owner.receive(peer.id, envelope);
    }
    this.#acknowledgeSoon();
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
    const { node, incarnation } = this.#owner;
    if (hello.v !== WIRE_VERSION) {
      throw mailboxError(
        "protocol",
        `mailbox version ${hello.v} is not known here; this node speaks ${WIRE_VERSION}`,
      );
    }
    if (hello.to !== node) throw mailboxError("protocol", `this is node ${node}, not ${hello.to}`);
    if (hello.node === node) throw mailboxError("protocol", `node ${node} talks to itself`);
    const peer = this.#owner.admit(hello);
    if (!peer) {
      throw mailboxError("unknown_peer", `node ${hello.node} is not welcome at node ${node}`);
    }
    clearTimeout(this.#helloTimer);
    this.#peer = peer;
    this.#inbox = peer.greet(hello, () => {
      this.#finish();
      setImmediate(() => this.#stream.close());
    });
    this.#reader.maxBytes = this.#owner.limits.maxMessageBytes;
    this.#stream.write(
      controlFrame({
        t: "welcome",
        v: WIRE_VERSION,
        node,
        incarnation,
        received: this.#inbox.received,
      }),
    );
  }

  #acknowledgeSoon(): void {
    const { ackMessages, ackBytes, ackDelayMs } = this.#owner.limits;
    if (this.#unackedMessages >= ackMessages || this.#unackedBytes >= ackBytes) this.#acknowledge();
    else if (this.#unackedMessages === 1) {
      clearTimeout(this.#ackTimer);
      this.#ackTimer = setTimeout(() => this.#acknowledge(), ackDelayMs);
    }
  }

  #acknowledge(always = false): void {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    if ((this.#unackedMessages === 0 && !always) || this.#ended) return;
    this.#unackedMessages = 0;
    this.#unackedBytes = 0;
    this.#stream.write(controlFrame(this.#inbox!.received));
  }

  /** Tells the peer what is wrong and ends the stream. */
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

  /** Takes nothing more from the stream. */
  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#helloTimer);
    clearTimeout(this.#ackTimer);
    this.#reader.stop();
    if (this.#inbox) this.#inbox.close = undefined;
    if (!this.#stream.writableEnded && !this.#stream.destroyed) this.#stream.resume();
  }
}
