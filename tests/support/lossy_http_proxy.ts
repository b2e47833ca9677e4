/**
 * An HTTP proxy on loopback that lets requests through and, on demand, loses their answers or holds
 * requests up.
 *
 * @module
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Losses } from "./registry_kv_world.ts";

/** How a {@linkcode LossyHttpProxy} is made. */
export interface LossyHttpProxyOptions {
  /** Port of the server on 127.0.0.1, which is spoken to by HTTP/1.1. */
  target: () => number;
  /** Says which answers get lost. */
  losses: Losses;
  /** Is this a request whose answer may get lost? */
  isWrite(path: string, body: Uint8Array): boolean;
  /** Do clients speak HTTP/2 without TLS, instead of HTTP/1.1? @default false */
  http2?: boolean;
}

/** Headers that HTTP/2 does not know. */
const OF_CONNECTIONS = ["connection", "keep-alive", "transfer-encoding"];

/** See the module's text. A lost answer is one that the server gave: then the line breaks. */
export class LossyHttpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: LossyHttpProxyOptions) {
    const handle = (incoming: IncomingMessage, answer: ServerResponse) =>
      void forward(incoming, answer, options);
    this.#server = options.http2
      ? http2.createServer((incoming, answer) =>
        // Node's compatible classes; they differ in types only.
        handle(incoming as unknown as IncomingMessage, answer as unknown as ServerResponse)
      )
      : createServer(handle);
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /** Listens on a free port. */
  static async open(options: LossyHttpProxyOptions): Promise<LossyHttpProxy> {
    const proxy = new LossyHttpProxy(options);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

async function forward(
  incoming: IncomingMessage,
  answer: ServerResponse,
  { target, losses, isWrite, http2: two = false }: LossyHttpProxyOptions,
): Promise<void> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of incoming) chunks.push(chunk);
  } catch {
    return; // the client has gone away
  }
  const body = new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
  const { method, url: path } = incoming;
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).filter(([name]) => !name.startsWith(":")),
  );
  const write = isWrite(path!, body);
  if (write && losses.holding > 0) {
    losses.holding--;
    // Whoever sent it will be gone by the time it arrives.
    const url = `http://127.0.0.1:${target()}${path}`;
    losses.held.push(async () => void await (await fetch(url, { method, body })).text());
    return;
  }
  const losing = write && losses.take();
  const onward = request({ host: "127.0.0.1", port: target(), method, path, headers });
  const broken = () => {
    onward.destroy();
    if (!two) answer.destroy();
    else (answer as unknown as http2.Http2ServerResponse).stream.close(2); // an internal error
  };
  onward.on("error", broken);
  answer.on("close", () => onward.destroy());
  onward.on("response", (response) => {
    response.on("error", broken);
    if (losing) {
      response.on("end", broken);
      response.resume(); // the server has answered in full, and nobody hears it
      return;
    }
    const kept = Object.entries(response.headers).filter(([name]) =>
      !two || !OF_CONNECTIONS.includes(name)
    );
    answer.writeHead(response.statusCode!, Object.fromEntries(kept));
    if (!two) answer.flushHeaders();
    response.pipe(answer);
  });
  onward.end(body);
}
