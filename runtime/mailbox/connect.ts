/**
 * Opening and releasing HTTP/2 connections to mailboxes.
 *
 * @module
 */
import http2, { type ClientHttp2Session, type Http2Session } from "node:http2";
import net from "node:net";
import tls from "node:tls";
import { HTTP2_SETTINGS } from "./limits.ts";

/** PEM texts of a mutual TLS link. */
export interface MailboxTls {
  /** Private key of `cert`. */
  key: string;
  /** This node's certificate, shown to the other side. */
  cert: string;
  /** Certificate authority that the other side's certificate must come from. */
  ca: string;
  /** Name that the other side's certificate must carry. @default the host dialled */
  servername?: string;
}

/** `host:port`, as it stands in a URL. */
export function authorityOf(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

const sockets = new WeakMap<Http2Session, net.Socket>();

/** Begins a connection; failures arrive as the session's `error`. */
export function connect(host: string, port: number, secure?: MailboxTls): ClientHttp2Session {
  const socket = secure
    ? tls.connect({
      host,
      port,
      ...secure,
      servername: secure.servername ?? (net.isIP(host) ? "" : host),
      ALPNProtocols: ["h2"],
    }).setNoDelay(true)
    : net.connect({ host, port, noDelay: true });
  const session = http2.connect(`${secure ? "https" : "http"}://${authorityOf(host, port)}`, {
    settings: HTTP2_SETTINGS,
    createConnection: () => socket,
  });
  sockets.set(session, socket);
  return session;
}

/** Notes the socket under a server's session, for {@linkcode cut}. */
export function overSocket(session: Http2Session, socket: net.Socket): void {
  sockets.set(session, socket);
}

/**
 * Ends a session by ending its socket, and never from inside one of its events. `session.destroy()`
 * would send a GOAWAY, at which nghttp2 aborts the whole process if a stream that has just closed
 * is still listed (`find_stream_on_goaway_func`): seen in one of twelve orderly shutdowns.
 */
export function cut(session: Http2Session): void {
  setImmediate(() => sockets.get(session)?.destroy());
}
