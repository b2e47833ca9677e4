/**
 * How HTTP/2 connections to mailboxes are opened and ended.
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
  /** Certificate of the authority that must have signed the other side's certificate. */
  ca: string;
  /** Host name that the other side's certificate must carry. @default the host dialled */
  servername?: string;
}

/** `host:port` as it is written in a URL: an IPv6 address gets brackets. */
export function authorityOf(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The socket under each session, for {@linkcode cut}. */
const sockets = new WeakMap<Http2Session, net.Socket>();

/** Opens a connection; a failure arrives as the session's `error` event. */
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

/** Remembers the socket under a server's session, for {@linkcode cut}. */
export function overSocket(session: Http2Session, socket: net.Socket): void {
  sockets.set(session, socket);
}

/**
 * Ends a session by destroying its socket, after the current event. `session.destroy()` would send
 * a GOAWAY frame, and nghttp2 aborts the whole process then if it still lists a stream that has
 * just closed (`find_stream_on_goaway_func`): seen in one of twelve orderly shutdowns.
 */
export function cut(session: Http2Session): void {
  setImmediate(() => sockets.get(session)?.destroy());
}
