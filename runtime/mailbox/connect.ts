/**
 * How HTTP/2 connections to mailboxes are opened and ended.
 *
 * @module
 */
import net from "node:net";
import tls from "node:tls";
import type { NodeId } from "../../actors/system/mod.ts";
import { Http2Session } from "../http2/mod.ts";
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

/**
 * Opens a connection; a failure arrives as the session's `error` event, also what `checkServer` of
 * {@linkcode MailboxTls} throws. Nothing is sent before the other side's certificate is checked.
 */
export function connect(host: string, port: number, secure?: SecureTarget): Http2Session {
  const socket = secure
    ? connectTls(host, port, secure)
    : net.connect({ host, port, noDelay: true });
  const authority = authorityOf(host, port);
  return new Http2Session(socket, { side: "client", authority, ...HTTP2_SETTINGS });
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

/** Ends a session by its socket, after the current event. */
export function cut(session: Http2Session): void {
  setImmediate(() => session.destroy());
}
