/**
 * Serves the API on a TCP socket, and drains it at the end.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import type { Api } from "./app.ts";

/** Settings of {@linkcode serveApi}. */
export interface ServeOptions {
  /** The API that answers the requests. */
  app: Api;
  /** Address to listen on, e.g. `127.0.0.1`. */
  host: string;
  /** TCP port; 0 takes any free one. */
  port: number;
  /** Abort it to drain: no new connections; running requests go on for `drainMs`. */
  signal: AbortSignal;
  /**
   * Milliseconds that running requests have after `signal`; then they end with `draining`.
   * @default 10_000
   */
  drainMs?: number;
}

/** A listening API. */
export interface ApiServer {
  /** TCP port that the server listens on. */
  port: number;
  /** Base URL without a final slash, for clients on this machine. */
  url: string;
  /** Resolves when the last connection has closed. */
  finished: Promise<void>;
}

/** Milliseconds between the end of the drain time and the closing of the sockets still open. */
const LAST_MS = 1_000;

/** Starts to serve the API. Throws group `api`: `port_in_use`, `cannot_listen`. */
export function serveApi({ app, host, port, signal, drainMs = 10_000 }: ServeOptions): ApiServer {
  const end = new AbortController();
  const close = new AbortController();
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve(
      { hostname: host, port, signal: close.signal, onListen: () => {} },
      (request, { remoteAddr }) =>
        app.fetch(request, { draining: end.signal, remote: remoteAddr.hostname }),
    );
  } catch (error) {
    throw cannotListen(error, host, port);
  }
  const timers: ReturnType<typeof setTimeout>[] = [];
  const drain = () => {
    timers.push(
      setTimeout(() => end.abort(), drainMs),
      setTimeout(() => close.abort(), drainMs + LAST_MS),
    );
    server.shutdown().catch(() => {});
  };
  signal.addEventListener("abort", drain);
  if (signal.aborted) drain();
  const finished = server.finished.finally(() => {
    signal.removeEventListener("abort", drain);
    for (const timer of timers) clearTimeout(timer);
  });
  const reachable = { "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host;
  const authority = reachable.includes(":") ? `[${reachable}]` : reachable;
  return { port: server.addr.port, url: `http://${authority}:${server.addr.port}`, finished };
}

function cannotListen(error: unknown, host: string, port: number): OrreryError {
  const inUse = error instanceof Deno.errors.AddrInUse;
  return new OrreryError({
    group: "api",
    code: inUse ? "port_in_use" : "cannot_listen",
    message: inUse
      ? `port ${port} on ${host} is in use: stop what listens there or choose another with --port`
      : `cannot listen on ${host} port ${port}: ${error instanceof Error ? error.message : error}`,
    metadata: { host, port },
    cause: error,
  });
}
