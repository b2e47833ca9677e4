import type { Http2Session } from "node:http2";
import { cut } from "./connect.ts";

/** Pings a session; cuts it when an answer is overdue. Returns what stops it. */
export function keepalive(
  session: Http2Session,
  options: { intervalMs: number; timeoutMs: number; onRtt?: (ms: number) => void },
): () => void {
  let overdue: ReturnType<typeof setTimeout> | undefined;
  let sentAt = 0;
  const ping = () => {
    if (overdue !== undefined || session.destroyed || session.closed) return;
    sentAt = performance.now();
    overdue = setTimeout(() => cut(session), options.timeoutMs);
    try {
      session.ping((error) => {
        clearTimeout(overdue);
        overdue = undefined;
        if (!error) options.onRtt?.(performance.now() - sentAt);
      });
    } catch {
      cut(session);
    }
  };
  ping();
  const timer = setInterval(ping, options.intervalMs);
  return () => {
    clearInterval(timer);
    clearTimeout(overdue);
  };
}
