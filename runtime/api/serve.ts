/**
 * Serves the API on a TCP socket, within limits, and drains it at the end.
 *
 * `node:http` and not `Deno.serve`, which never closes a connection whose headers do not end and
 * counts no connections: a few thousand of them would keep everybody else out.
 *
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { OrreryError } from "../../actors/mod.ts";
import { BodyBudget } from "./body_budget.ts";
import type { Api } from "./env.ts";
import { apiError, toHttpError } from "./errors.ts";
import { watchHeaders } from "./late_headers.ts";
import { closeSoon, MOST_HEADERS, sendResponse, webRequest } from "./web_bridge.ts";

/** Bounds of what clients may hold without having asked anything. */
export interface ServeLimits {
  /** Milliseconds in which a request's headers must arrive, from its first byte on. @default 10_000 */
  headersMs?: number;
  /** Milliseconds that a connection may be idle, before its first request and between two. @default 75_000 */
  idleMs?: number;
  /** Most bytes of a request's line and headers. @default 32768 */
  headerBytes?: number;
  /** Most connections at once. @default 1024 */
  connections?: number;
  /** Most connections at once of one address. @default 512 */
  connectionsOfOne?: number;
  /**
   * Milliseconds in which a client must read what waits for it, of a stream or at the end of another
   * answer; then its connection is closed, and its generation ends. @default 30_000
   */
  stalledMs?: number;
  /** Most bytes of request bodies that are held at once. @default 64 MiB */
  bodyBytes?: number;
}

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
  /** Bounds of connections and headers. */
  limits?: ServeLimits;
}

/** A listening API. */
export interface ApiServer {
  /** TCP port that the server listens on. */
  port: number;
  /** Base URL without a final slash, for clients on this machine. */
  url: string;
  /** Resolves when the last connection has closed. */
  finished: Promise<void>;
  /** The bytes of request bodies that are held. */
  bodies: Pick<BodyBudget, "held" | "limit">;
}

/** Milliseconds between the end of the drain time and the closing of the sockets still open. */
const LAST_MS = 1_000;

/** Milliseconds from one look for late headers to the next. */
const LOOK_MS = 1_000;

/** Starts to serve the API. Throws group `api`: `port_in_use`, `cannot_listen`. */
export async function serveApi(options: ServeOptions): Promise<ApiServer> {
  const { app, host, port, signal, drainMs = 10_000, limits = {} } = options;
  const { headersMs = 10_000, idleMs = 75_000, headerBytes = 32_768 } = limits;
  const { stalledMs = 30_000, bodyBytes } = limits;
  const end = new AbortController();
  const bodies = new BodyBudget(bodyBytes);
  const server = createServer({
    headersTimeout: Math.max(idleMs, headersMs), // of connections that send nothing
    requestTimeout: 0, // the API limits the time of bodies itself, and an answer may take long
    keepAliveTimeout: idleMs,
    connectionsCheckingInterval: Math.min(LOOK_MS, headersMs, idleMs),
    maxHeaderSize: headerBytes,
    requireHostHeader: false, // webRequest() asks for it, and says so
  }, (incoming, outgoing) => {
    const draining = end.signal;
    answer(incoming, outgoing, { app, draining, last: () => signal.aborted, stalledMs, bodies })
      .catch(() => outgoing.destroy())
      .finally(() => {
        if (signal.aborted) server.closeIdleConnections();
      });
  });
  server.maxHeadersCount = MOST_HEADERS + 1; // one more, so that webRequest() sees it
  server.on("clientError", refuseConnection);
  server.on(
    "connect",
    (_request: IncomingMessage, socket: Socket) =>
      refuse(socket, apiError("method_not_allowed", "this server is no proxy")),
  );
  limitConnections(server, limits);
  await listen(server, host, port);
  watchHeaders(server, {
    headersMs,
    lookMs: Math.min(LOOK_MS, headersMs),
    late: (socket) => refuse(socket, lateHeaders()),
  });

  const timers: ReturnType<typeof setTimeout>[] = [];
  const drain = () => {
    timers.push(
      setTimeout(() => end.abort(), drainMs),
      setTimeout(() => server.closeAllConnections(), drainMs + LAST_MS),
    );
    server.close();
    server.closeIdleConnections();
  };
  const finished = new Promise<void>((resolve) => server.once("close", resolve)).finally(() => {
    signal.removeEventListener("abort", drain);
    for (const timer of timers) clearTimeout(timer);
  });
  signal.addEventListener("abort", drain);
  if (signal.aborted) drain();
  const reachable = { "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host;
  const authority = reachable.includes(":") ? `[${reachable}]` : reachable;
  const { port: bound } = server.address() as AddressInfo;
  return { port: bound, url: `http://${authority}:${bound}`, finished, bodies };
}

/** What answers a request, and within which bounds. */
interface Answering {
  app: Api;
  /** Aborts when running requests have had their time. */
  draining: AbortSignal;
  /** Whether the server takes no further requests. */
  last: () => boolean;
  /** See {@linkcode ServeLimits}. */
  stalledMs: number;
  bodies: BodyBudget;
}

/** Answers one request. */
async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { app, draining, last, stalledMs, bodies }: Answering,
): Promise<void> {
  const { socket } = incoming;
  const client = new AbortController();
  const gone = () => client.abort();
  // A response that waits for an earlier one on its connection hears nothing of its end.
  socket.setMaxListeners(0).once("close", gone);
  outgoing.once("close", () => {
    socket.off("close", gone);
    if (!outgoing.writableFinished) client.abort();
  });
  using claims = new DisposableStack();
  let response: Response;
  try {
    const request = webRequest(incoming, client.signal);
    claims.use(bodies.claim(request));
    response = await app.fetch(request, { draining, remote: socket.remoteAddress });
  } catch (error) {
    const { status, headers, body } = toHttpError(error);
    response = Response.json(body, { status, headers: { ...headers, connection: "close" } });
  }
  await sendResponse(response, {
    ...{ incoming, outgoing, socket, gone: client.signal, last: last(), stalledMs },
  });
}

const lateHeaders = (): OrreryError =>
  apiError("request_timeout", "the request's headers were not complete in time");

/** Sockets that are told why they are closed, so that they are told once. */
const refused = new WeakSet<Socket>();

/** Answers what is no request, and requests that are too large or too slow. */
function refuseConnection(
  error: Error & { code?: string; rawPacket?: Uint8Array },
  socket: Socket,
) {
  const { code, rawPacket } = error;
  if (code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  if (code === "HPE_HEADER_OVERFLOW") {
    return refuse(socket, apiError("headers_too_large", "the request's headers are too large"));
  }
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    // A client that has asked nothing may be about to: it must not take this for its answer.
    return socket.bytesRead > 0 ? refuse(socket, lateHeaders()) : void socket.destroy();
  }
  const why = rawPacket?.[0] === 0x16 // the first byte of a TLS handshake
    ? "this server speaks http, not https"
    : code === "HPE_PAUSED_H2_UPGRADE"
    ? "this server speaks HTTP/1.1, not HTTP/2"
    : `this is no request of HTTP/1.1: ${error.message}`;
  refuse(socket, apiError("bad_request", why));
}

/** Answers with an error outside of any request, and closes the connection. */
function refuse(socket: Socket, error: OrreryError): void {
  if (refused.has(socket)) return;
  refused.add(socket);
  // Behind an answer that has begun, another would be read as a part of it.
  const current = (socket as Socket & { _httpMessage?: ServerResponse })._httpMessage;
  if (current?.headersSent) return void socket.destroy();
  const { status, body } = toHttpError(error);
  const text = JSON.stringify(body);
  socket.removeAllListeners("data").on("error", () => {});
  socket.end(
    `HTTP/1.1 ${status} Refused\r\ncontent-type: application/json\r\n` +
      `content-length: ${
        new TextEncoder().encode(text).length
      }\r\nconnection: close\r\n\r\n${text}`,
  );
  socket.resume();
  closeSoon(socket);
}

/** Closes connections beyond the limits, as they come. */
function limitConnections(
  server: Server,
  { connections = 1_024, connectionsOfOne = 512 }: ServeLimits,
): void {
  server.maxConnections = connections;
  const open = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    const from = socket.remoteAddress ?? "";
    const count = (open.get(from) ?? 0) + 1;
    open.set(from, count);
    socket.once("close", () => {
      const left = open.get(from)! - 1;
      if (left > 0) open.set(from, left);
      else open.delete(from);
    });
    if (count > connectionsOfOne) socket.destroy();
  });
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => reject(cannotListen(error, host, port));
    server.once("error", failed);
    server.listen({ host, port }, () => {
      server.off("error", failed);
      resolve();
    });
  });
}

function cannotListen(error: Error, host: string, port: number): OrreryError {
  const inUse = /\bEADDRINUSE\b/.test(String((error as { code?: string }).code ?? error));
  return new OrreryError({
    group: "api",
    code: inUse ? "port_in_use" : "cannot_listen",
    message: inUse
      ? `port ${port} on ${host} is in use: stop what listens there or choose another with --port`
      : `cannot listen on ${host} port ${port}: ${error.message}`,
    metadata: { host, port },
    cause: error,
  });
}
