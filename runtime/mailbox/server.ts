/**
 * The HTTP/2 server of a mailbox: it accepts connections and finds out which of their requests are
 * streams from peers.
 *
 * @module
 */
import http2, {
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { cut, type MailboxTls, overSocket } from "./connect.ts";
import { mailboxError } from "./errors.ts";
import { IDENTITY_PATH } from "./identify.ts";
import { type InboundOwner, InboundStream } from "./inbound.ts";
import { keepalive } from "./keepalive.ts";
import { CONNECTION_WINDOW_BYTES, HTTP2_SETTINGS } from "./limits.ts";
import { MAILBOX_PATH } from "./wire.ts";

/** What a {@linkcode MailboxServer} needs from its mailbox. */
export interface ServerOwner extends InboundOwner {
  /** Undefined: connections are cleartext. */
  tls?: MailboxTls;
}

/** See the module's text. */
export class MailboxServer {
  readonly #owner: ServerOwner;
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #sockets = new Set<Socket>();

  constructor(owner: ServerOwner) {
    this.#owner = owner;
    const { tls } = owner;
    this.#server = tls
      ? http2.createSecureServer({
        settings: HTTP2_SETTINGS,
        ...tls,
        requestCert: true,
        rejectUnauthorized: true,
      })
      : http2.createServer({ settings: HTTP2_SETTINGS });
    this.#server.on(
      tls ? "secureConnection" : "connection",
      (socket: Socket) => this.#onSocket(socket),
    );
    this.#server.on("session", (session) => this.#onSession(session));
    this.#server.on("stream", (stream, headers) => this.#onStream(stream, headers));
    this.#server.on("sessionError", (error) => {
      owner.offended(
        mailboxError("protocol", `an HTTP/2 session failed: ${error.message}`, {}, error),
      );
    });
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
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  #onSocket(socket: Socket): void {
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    // The session of this socket exists already; only the remote port tells which one it is.
    for (const session of this.#sessions) {
      if (session.socket?.remotePort === socket.remotePort) overSocket(session, socket);
    }
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }

  #onSession(session: ServerHttp2Session): void {
    const { limits } = this.#owner;
    this.#sessions.add(session);
    session.on("error", () => {});
    session.on("close", () => this.#sessions.delete(session));
    if (this.#sessions.size > limits.maxConnections) return cut(session);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    // A session without a stream is ended after the time for a hello. A stream has its own
    // deadline.
    let streams = 0;
    const idle = () => setTimeout(() => cut(session), limits.helloTimeoutMs);
    let silent = idle();
    session.on("stream", (stream) => {
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

  #onStream(
    stream: ServerHttp2Stream,
    headers: Record<string, string | string[] | number | undefined>,
  ): void {
    stream.on("error", () => {});
    const path = headers[":path"];
    const method = headers[":method"];
    if (path === IDENTITY_PATH && method === "GET") {
      stream.respond({ ":status": 200, "content-type": "application/json" });
      stream.end(JSON.stringify({ node: this.#owner.node }));
      return;
    }
    if (path !== MAILBOX_PATH || method !== "POST") {
      const [status, message] = path !== MAILBOX_PATH
        ? [404, `no ${String(path).slice(0, 80)} here; a mailbox serves ${MAILBOX_PATH}`]
        : [405, `${String(method).slice(0, 16)} is not allowed; a mailbox takes POST`];
      const error = mailboxError("protocol", message);
      this.#owner.offended(error);
      stream.respond({ ":status": status, "content-type": "application/json" });
      stream.end(
        JSON.stringify({ error: error.toWire() }),
        () => setImmediate(() => stream.close()),
      );
      stream.resume();
      return;
    }
    stream.respond({ ":status": 200, "content-type": "application/cbor" });
    new InboundStream(stream, this.#owner);
  }
}
