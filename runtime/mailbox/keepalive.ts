/**
 * Pings that find out whether a connection still works.
 *
 * @module
 */
import type { Http2Session } from "../http2/mod.ts";
import { cut } from "./connect.ts";

/** Options of {@linkcode keepalive}. */
export interface KeepaliveOptions {
  /** Time between two pings, milliseconds. */
  intervalMs: number;
  /** Longest wait for the answer to a ping, milliseconds. */
  timeoutMs: number;
  /** Called with the round trip of each answered ping, milliseconds. */
  onRtt?: (ms: number) => void;
}

/**
 * Pings a session at once and then at each interval, and cuts the session when an answer is
 * overdue. Returns the function that stops the pings.
 */
export function keepalive(session: Http2Session, options: KeepaliveOptions): () => void {
  /** Cuts the session; set while an answer is awaited. */
  let overdue: ReturnType<typeof setTimeout> | undefined;
  let sentAt = 0;
  const ping = () => {
    if (overdue !== undefined || session.destroyed || session.closed) return;
    sentAt = performance.now();
    overdue = setTimeout(() => cut(session), options.timeoutMs);
    session.ping((error) => {
      clearTimeout(overdue);
      overdue = undefined;
      if (!error) options.onRtt?.(performance.now() - sentAt);
    });
  };
  ping();
  const timer = setInterval(ping, options.intervalMs);
  return () => {
    clearInterval(timer);
    clearTimeout(overdue);
  };
}
