/**
 * What the tests of the mailbox share: nodes with a mailbox, and a client that breaks the protocol.
 *
 * @module
 */
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import type { Envelope, NodeId } from "../../actors/mod.ts";
import { decodeCbor } from "../../runtime/mailbox/cbor.ts";
import { FrameReader } from "../../runtime/mailbox/frame_reader.ts";
import {
  createMailbox,
  type MailboxOptions,
  type MailboxTransport,
} from "../../runtime/mailbox/mod.ts";
import { encodeEnvelope, MAILBOX_PATH, stampSeq } from "../../runtime/mailbox/wire.ts";
import { FaultyProxy } from "./transport_suite_proxy.ts";
import { until } from "./transport_suite.ts";

/** A reply envelope: the shortest one with a body. */
export function reply(id: number, body: unknown = null): Envelope {
  return { kind: "reply", id, body };
}

/** A node with a mailbox and what it heard. */
export interface MailboxNode {
  mailbox: MailboxTransport;
  /** Envelopes received, in order. */
  received: { from: NodeId; envelope: Envelope }[];
  /** Ids of the envelopes received. */
  ids(): number[];
  /** A line for each lost peer: its name, the reason and the number of undelivered envelopes. */
  lost: string[];
}

/** Starts a mailbox. */
export async function open(
  node: NodeId,
  options: Partial<MailboxOptions> = {},
): Promise<MailboxNode> {
  const mailbox = await createMailbox({ node, ...options });
  const received: MailboxNode["received"] = [];
  const lost: string[] = [];
  mailbox.start({
    receive: (from, envelope) => received.push({ from, envelope }),
    peerLost: (peer, reason, undelivered) =>
      lost.push(`${peer} ${reason}${undelivered.length ? ` ${undelivered.length}` : ""}`),
  });
  return {
    mailbox,
    received,
    lost,
    ids: () => received.map(({ envelope }) => (envelope as { id: number }).id),
  };
}

/** Registers a test that leaves no operation and no resource behind. */
export function test(name: string, body: () => Promise<void>) {
  Deno.test(name, { sanitizeOps: true, sanitizeResources: true }, body);
}

/** Node b, which can only be reached through a faulty proxy. */
export async function behindProxy(): Promise<{ b: MailboxNode; proxy: FaultyProxy }> {
  let port = 0;
  const proxy = await FaultyProxy.open(() => port);
  const b = await open("b", { accept: () => true, advertisePort: proxy.port });
  port = b.mailbox.port;
  return { b, proxy };
}

/** A client that speaks HTTP/2 but not necessarily the protocol. */
export class Stranger {
  /** Frames received. */
  readonly frames: unknown[] = [];
  /** true once the stream is closed. */
  closed = false;
  /** HTTP status of the response; undefined before it. */
  status?: number;
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;

  /** @param session Connection to use. @default a new one without TLS */
  constructor(
    port: number,
    path = MAILBOX_PATH,
    method = "POST",
    session = http2.connect(`http://127.0.0.1:${port}`),
  ) {
    this.session = session;
    this.session.on("error", () => {});
    this.stream = this.session.request({ ":method": method, ":path": path }, { endStream: false });
    this.stream.on("error", () => {});
    this.stream.on("response", (headers) => this.status = headers[":status"]);
    const reader = new FrameReader(1 << 20, (frame) => this.frames.push(decodeCbor(frame)));
    const framed = path === MAILBOX_PATH && method === "POST";
    this.stream.on("data", (chunk: Uint8Array) => framed && reader.push(chunk));
    this.stream.on("close", () => this.closed = true);
  }

  write(...chunks: Uint8Array[]): this {
    for (const chunk of chunks) this.stream.write(chunk);
    return this;
  }

  /** Waits for the end of the stream and returns the error that came before it. */
  async refusal(): Promise<string> {
    await until(() => this.closed, "the stream to be closed");
    const error = this.frames.find((frame) => (frame as { t?: string })?.t === "error");
    this.session.destroy();
    return error ? (error as { error: { message: string } }).error.message : "no error frame";
  }
}

/** Hello of a stranger named s. */
export const hello = { t: "hello", v: 1, node: "s", incarnation: 1, to: "b", link: 1, base: 1 };

/** The frame of a message. */
export function message(seq: number, envelope: Envelope): Uint8Array {
  const frame = encodeEnvelope(envelope, 1 << 20);
  stampSeq(frame, seq);
  return frame;
}
