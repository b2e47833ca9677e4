/**
 * Between `node:http`, which has limits on connections and headers, and the API, which speaks
 * web-standard requests and responses.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { getLogger } from "@logtape/logtape";
import { apiError } from "./errors.ts";

const log = getLogger(["orrery", "api"]);

/** Most headers of a request. */
export const MOST_HEADERS = 100;

/** Milliseconds that a client has to read an answer after which its connection is closed. */
const LINGER_MS = 1_000;

/** Content types that are sent as they come; anything else is sent whole, with its length. */
const STREAMED = /^(text\/event-stream|application\/x-ndjson)/;

/**
 * A web-standard request; `signal` is for the client's going away. Throws group `api`:
 * `bad_request`, `too_many_headers`.
 */
export function webRequest(incoming: IncomingMessage, signal: AbortSignal): Request {
  const { rawHeaders, httpVersion, method = "GET" } = incoming;
  if (rawHeaders.length > 2 * MOST_HEADERS) {
    throw apiError("headers_too_large", `a request may have ${MOST_HEADERS} headers, not more`);
  }
  const headers = new Headers();
  const hosts: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name, value] = [rawHeaders[i], rawHeaders[i + 1]];
    if (name.toLowerCase() === "host") hosts.push(value);
    try {
      headers.append(name, value);
    } catch {
      throw apiError("bad_request", `the header ${JSON.stringify(name)} has a wrong form`);
    }
  }
  if (httpVersion !== "1.1" && httpVersion !== "1.0") {
    throw apiError("bad_request", "expected a request of HTTP/1.1 or HTTP/1.0");
  }
  if (hosts.length > 1 || (hosts.length === 0 && httpVersion === "1.1")) {
    throw apiError("bad_request", `a request of HTTP/1.1 has one Host header, got ${hosts.length}`);
  }
  const url = `http://node${pathOf(incoming, hosts[0])}`;
  if (!URL.canParse(url)) throw apiError("bad_request", "the path of the request is no URL");
  const init: RequestInit = { method, headers, signal };
  if (method !== "GET" && method !== "HEAD") {
    init.body = Readable.toWeb(incoming) as ReadableStream<Uint8Array>;
  }
  try {
    return new Request(url, init);
  } catch {
    throw apiError("method_not_allowed", `no route takes the method ${JSON.stringify(method)}`);
  }
}

/**
 * The path and query of a request's target. A target may be a whole URL, as proxies send it; its
 * host is then the one that counts, so it must be the same as the `Host` header.
 */
function pathOf({ url: target = "/" }: IncomingMessage, host: string | undefined): string {
  if (target.startsWith("/")) return target;
  const url = /^http:\/\//i.test(target) ? URL.parse(target) : null;
  if (url && (host === undefined || url.host === host.toLowerCase())) {
    return url.pathname + url.search;
  }
  throw apiError(
    "bad_request",
    url
      ? "the request's target has another host than its Host header"
      : "expected a path that begins with / as the request's target",
  );
}

/** Closes a connection as soon as the client has had the time to read the last answer. */
export function closeSoon(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(timer));
}

/** Where a response goes. */
export interface Receiver {
  /** The request that it answers. */
  incoming: IncomingMessage;
  /** The response as `node:http` has it; it waits for those to earlier requests of the connection. */
  outgoing: ServerResponse;
  /** The connection. */
  socket: Socket;
  /** Aborts when the client has gone. */
  gone: AbortSignal;
  /** Close the connection behind the response? */
  last: boolean;
  /** Milliseconds in which the client must read what waits for it; then its connection is closed. */
  stalledMs: number;
}

/**
 * Sends a response, and resolves when all of it is written or the client has gone. The connection of
 * a client that does not read is closed, so `gone` aborts.
 */
export async function sendResponse(response: Response, to: Receiver): Promise<void> {
  const { incoming, outgoing, socket, gone, last, stalledMs } = to;
  /** Closes the connection; set while something waits for the client. */
  let stalled: ReturnType<typeof setTimeout> | undefined;
  const awaitReader = () => {
    clearTimeout(stalled);
    if (outgoing.closed || socket.destroyed) return; // nobody waits any more
    stalled = setTimeout(() => {
      log.info("closed the connection of {remote}, which read nothing of an answer for {s} s", {
        remote: socket.remoteAddress,
        s: stalledMs / 1000,
      });
      socket.destroy();
    }, stalledMs);
  };
  outgoing.on("drain", () => clearTimeout(stalled)).once("close", () => clearTimeout(stalled));
  const headers = Object.fromEntries(response.headers);
  // What is left of a body that nobody reads would else keep the connection for as long as it comes.
  const whole = incoming.complete;
  if (last || !whole) headers.connection = "close";
  if (!whole) {
    outgoing.once("finish", () => {
      incoming.resume();
      closeSoon(socket);
    });
  }
  const { body } = response;
  if (body === null || incoming.method === "HEAD" || gone.aborted) {
    await body?.cancel();
    outgoing.writeHead(response.status, headers).end();
    return;
  }
  // Files state their length, and may be large.
  if (!STREAMED.test(headers["content-type"] ?? "") && !("content-length" in headers)) {
    const bytes = await response.bytes();
    awaitReader();
    outgoing.writeHead(response.status, { ...headers, "content-length": bytes.length }).end(bytes);
    return;
  }
  outgoing.writeHead(response.status, headers);
  outgoing.flushHeaders();
  const reader = body.getReader();
  const left = Promise.withResolvers<void>();
  const leave = () => {
    reader.cancel().catch(() => {});
    left.resolve();
  };
  gone.addEventListener("abort", leave);
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (outgoing.write(part.value)) continue;
      awaitReader();
      const drained = new Promise<void>((resolve) => outgoing.once("drain", resolve));
      await Promise.race([drained, left.promise]);
    }
  } finally {
    gone.removeEventListener("abort", leave);
  }
  awaitReader();
  outgoing.end();
}
