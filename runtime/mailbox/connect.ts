/**
 * How HTTP/2 connections to mailboxes are opened and ended.
 *
 * @module
 */
import http2, { type ClientHttp2Session, type Http2Session } from "node:http2";
import net from "node:net";
import tls from "node:tls";
import type { NodeId } from "../../actors/system/mod.ts";
import { HTTP2_SETTINGS } from "./limits.ts";
import { type MailboxTls, TLS_VERSION } from "./tls.ts";

/** Which node a connection must reach, and what proves it. */
export interface SecureTarget {
  /** This node's certificates, and its judgement of others'. */
  tls: MailboxTls;
  /** The node that is dialled; undefined: whichever node takes joins there. */
  to?: NodeId;
}

/** `host:port` as it is written in a URL: an IPv6 address gets brackets. */
export function authorityOf(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The socket under each session, for {@linkcode cut}. */
const sockets = new WeakMap<Http2Session, net.Socket>();

/**
 * Opens a connection; a failure arrives as the session's `error` event, also what `checkServer` of
 * {@linkcode MailboxTls} throws. Nothing is sent before the other side's certificate is checked.
 */
export function connect(host: string, port: number, secure?: SecureTarget): ClientHttp2Session {
  const socket = secure
    ? connectTls(host, port, secure)
    : net.connect({ host, port, noDelay: true });
  const session = http2.connect(`${secure ? "https" : "http"}://${authorityOf(host, port)}`, {
    settings: HTTP2_SETTINGS,
    createConnection: () => socket,
  });
  sockets.set(session, socket);
  return session;
}

function connectTls(host: string, port: number, { tls: trust, to }: SecureTarget): tls.TLSSocket {
  return tls.connect({
    host,
    port,
    ...trust.client,
    servername: trust.serverName(to),
    // Called once the certificate's chain is found good.
    checkServerIdentity: (_name, certificate) => {
      try {
        trust.checkServer(certificate.raw, to);
      } catch (error) {
        return error as Error;
      }
    },
    minVersion: TLS_VERSION,
    ALPNProtocols: ["h2"],
  }).setNoDelay(true);
}

/**
 * What went wrong with a connection: HTTP/2 wraps it in the error of each request that was waiting.
 */
export function connectionError(error: unknown): unknown {
  const { cause } = error as { cause?: unknown };
  return cause instanceof Error ? cause : error;
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
