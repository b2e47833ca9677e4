/**
 * The HTTP/2 server of a mailbox: it accepts connections and finds out which of their requests are
 * streams from peers.
 *
 * @module
 */
import net, { type AddressInfo, type Server, type Socket } from "node:net";
import tlsModule, { type TLSSocket } from "node:tls";
import type { OrreryError } from "../../actors/system/mod.ts";
import { type HeaderFields, Http2Session, type Http2Stream } from "../http2/mod.ts";
import { cut } from "./connect.ts";
import { mailboxError } from "./errors.ts";
import { IDENTITY_PATH } from "./identify.ts";
import { type InboundOwner, InboundStream } from "./inbound.ts";
import { keepalive } from "./keepalive.ts";
import { HTTP2_SETTINGS } from "./limits.ts";
import { LineBudget } from "./line_budget.ts";
import { remoteOf, Strangers } from "./strangers.ts";
import { type CertifiedNode, type MailboxTls, TLS_VERSION } from "./tls.ts";
import { MAILBOX_PATH } from "./wire.ts";

/** What a {@linkcode MailboxServer} needs from its mailbox. */
export interface ServerOwner extends InboundOwner {
  /** Undefined: connections are cleartext. */
  tls?: MailboxTls;
  /** Called about connections without a good certificate, at most 20 times in 10 seconds. */
  untrusted(error: OrreryError): void;
}

/** Most requests that a connection without a certificate makes. */
const STRANGER_REQUESTS = 8;

/** See the module's text. */
export class MailboxServer {
  readonly #owner: ServerOwner;
  readonly #server: Server;
  readonly #sessions = new Set<Http2Session>();
  readonly #sockets = new Set<Socket>();
  /** Who is at the other end of a session; none: it has shown no certificate. */
  readonly #certified = new WeakMap<Http2Session, CertifiedNode>();
  /** Sessions whose certificate was refused: they are being cut. */
  readonly #refused = new WeakSet<Http2Session>();
  readonly #strangers: Strangers;
  readonly #lines: LineBudget;
  #unsubscribe?: () => void;

  constructor(owner: ServerOwner) {
    this.#owner = owner;
    const { tls } = owner;
    this.#lines = new LineBudget((message) => owner.untrusted(mailboxError("untrusted", message)));
    this.#strangers = new Strangers(
      owner.limits,
      (remote, why) => this.#lines.say(`connection from ${remote} is cut: ${why}`),
    );
    this.#server = tls ? this.#secure(tls) : net.createServer();
    this.#server.on(
      tls ? "secureConnection" : "connection",
      (socket: Socket) => this.#onSocket(socket),
    );
  }

  /** Open connections. */
  get connections(): number {
    return this.#sessions.size;
  }

  /**
   * Listens; resolves with the port. Rejects with the operating system's error, such as a port that
   * is in use.
   */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, () => {
        this.#server.off("error", reject);
        this.#server.on("error", (error) => {
          this.#owner.offended(
            mailboxError("protocol", `the mailbox server failed: ${error.message}`, {}, error),
          );
        });
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** Stops listening and ends every connection. */
  close(): Promise<void> {
    this.#unsubscribe?.();
    this.#lines.close();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#strangers.close();
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  /** A server that asks for certificates, and leaves it to this class to judge them. */
  #secure(tls: MailboxTls): Server {
    const { maxStrangers, strangerTimeoutMs } = this.#owner.limits;
    const server = tlsModule.createServer({
      ...tls.server,
      requestCert: true,
      // Whoever wants to join has no certificate yet.
      rejectUnauthorized: false,
      minVersion: TLS_VERSION,
      ALPNProtocols: ["h2"],
      handshakeTimeout: strangerTimeoutMs,
    });
    // The event comes before the TLS handshake.
    server.on("connection", (socket: Socket) => this.#strangers.add(socket));
    server.on("tlsClientError", (error: Error, socket?: Socket & { _parent?: Socket }) => {
      // Whoever connects and sends nothing only looks whether somebody listens, as nodes do.
      if ((error as { code?: string }).code === "ECONNRESET" && socket?._parent?.bytesRead === 0) {
        return;
      }
      // The TLS socket has forgotten its address by now, the TCP socket below it has not.
      const remote = remoteOf(socket?._parent) ?? "an address that has gone";
      this.#lines.say(`the TLS handshake with ${remote} failed: ${error.message}`);
    });
    this.#unsubscribe = tls.subscribe(({ revoked }) => {
      // Connections that are open go on; new ones get the new certificate.
      server.setSecureContext({
        ...tls.server,
        minVersion: TLS_VERSION,
      });
      for (const session of this.#sessions) {
        const node = this.#certified.get(session)?.node;
        if (node !== undefined && revoked.includes(node)) cut(session);
      }
    });
    // The server itself takes far more connections than these two bounds allow.
    server.maxConnections = this.#owner.limits.maxConnections + maxStrangers + 1;
    return server;
  }

  #onSocket(socket: Socket): void {
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    if ("alpnProtocol" in socket && socket.alpnProtocol !== "h2") {
      this.#lines.say(`${remoteOf(socket)} does not speak HTTP/2`);
      return void socket.destroy();
    }
    const session = new Http2Session(socket, { side: "server", ...HTTP2_SETTINGS });
    session.on("error", (error: Error) => {
      if (error.name !== "Http2ProtocolError") return; // the connection failed, and is closed
      this.#owner.offended(
        mailboxError("protocol", `an HTTP/2 session failed: ${error.message}`, {}, error),
      );
    });
    this.#onSession(session);
    session.on(
      "stream",
      (stream: Http2Stream, fields: HeaderFields) => this.#onStream(session, stream, fields),
    );
  }

  #onSession(session: Http2Session): void {
    const { limits, tls } = this.#owner;
    this.#sessions.add(session);
    session.on("close", () => this.#sessions.delete(session));
    if (tls) {
      try {
        const node = judge(tls, session.socket as TLSSocket);
        if (!node) return; // it may join, and is cut when its time is over
        this.#certified.set(session, node);
      } catch (error) {
        this.#lines.say(
          `the certificate of ${remoteOf(session.socket)} is refused: ${(error as Error).message}`,
        );
        this.#refused.add(session);
        return cut(session);
      }
      this.#strangers.proven(remoteOf(session.socket)!);
    }
    if (this.#sessions.size - this.#strangers.size > limits.maxConnections) return cut(session);
    // A session without a stream is ended after the time for a hello. A stream has its own
    // deadline.
    let streams = 0;
    const idle = () => setTimeout(() => cut(session), limits.helloTimeoutMs);
    let silent = idle();
    session.on("stream", (stream: Http2Stream) => {
      streams++;
      clearTimeout(silent);
      stream.once("close", () => {
        if (--streams === 0 && !session.destroyed) silent = idle();
      });
    });
    const stopPings = keepalive(session, {
      intervalMs: limits.pingIntervalMs,
      timeoutMs: limits.pingTimeoutMs,
    });
    session.on("close", () => {
      clearTimeout(silent);
      stopPings();
    });
  }

  #onStream(session: Http2Session, stream: Http2Stream, headers: HeaderFields): void {
    const path = headers[":path"];
    const method = headers[":method"];
    if (this.#refused.has(session)) return;
    const from = this.#certified.get(session);
    const { tls } = this.#owner;
    if (tls) {
      const remote = remoteOf(session.socket) ?? "an address that has gone";
      if (!from && this.#tooMany(session)) return cut(session);
      if (tls.answer({ stream, headers, from, remote })) return;
      if (!from) {
        this.#lines.say(`${remote} asked for ${shown(path)} without a certificate`);
        return refuse(stream, 403, mailboxError("untrusted", "a certificate is needed here"));
      }
    }
    if (path === IDENTITY_PATH && method === "GET") {
      stream.respond({ ":status": "200", "content-type": "application/json" });
      stream.end(JSON.stringify({ node: this.#owner.node }));
      return;
    }
    if (path !== MAILBOX_PATH || method !== "POST") {
      const [status, message] = path !== MAILBOX_PATH
        ? [404, `no ${shown(path)} here; a mailbox serves ${MAILBOX_PATH}`]
        : [405, `${String(method).slice(0, 16)} is not allowed; a mailbox takes POST`];
      const error = mailboxError("protocol", message);
      this.#owner.offended(error);
      return refuse(stream, status, error);
    }
    stream.respond({ ":status": "200", "content-type": "application/cbor" });
    new InboundStream(stream, from ? this.#only(from) : this.#owner);
  }

  /** The owner as a stream of this node sees it: it admits no other node. */
  #only(from: CertifiedNode): InboundOwner {
    return {
      ...this.#owner,
      admit: (hello) => {
        if (hello.node === from.node) return this.#owner.admit(hello);
        throw mailboxError(
          "untrusted",
          `a hello of node ${hello.node} came with the certificate of node ${from.node}`,
        );
      },
    };
  }

  /** Counts a request of a session without a certificate. */
  #tooMany(session: Http2Session): boolean {
    const n = (this.#requests.get(session) ?? 0) + 1;
    this.#requests.set(session, n);
    return n > STRANGER_REQUESTS;
  }
  readonly #requests = new WeakMap<Http2Session, number>();
}

/** Who is at the other end of a TLS connection; undefined: it shows no certificate. Throws. */
function judge(tls: MailboxTls, socket: TLSSocket): CertifiedNode | undefined {
  const { raw } = socket.getPeerCertificate(true) ?? {};
  if (!raw) return undefined;
  const node = tls.certified(raw);
  if (socket.authorized) return node;
  throw mailboxError("untrusted", `TLS does not accept it (${socket.authorizationError})`);
}

function refuse(stream: Http2Stream, status: number, error: OrreryError): void {
  stream.respond({ ":status": String(status), "content-type": "application/json" });
  stream.end(
    JSON.stringify({ error: error.toWire() }),
    () => setImmediate(() => stream.close()),
  );
  stream.resume();
}

const shown = (path: unknown) => String(path).slice(0, 80);
