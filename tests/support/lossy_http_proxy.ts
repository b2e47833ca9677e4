/**
 * An HTTP proxy on loopback that lets requests through and, on demand, loses their answers.
 *
 * @module
 */
import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { Losses } from "./registry_kv_world.ts";

/** How a {@linkcode LossyHttpProxy} is made. */
export interface LossyHttpProxyOptions {
  /** Port of the server on 127.0.0.1. */
  target: () => number;
  /** Says which answers get lost. */
  losses: Losses;
  /** Is this a request whose answer may get lost? */
  isWrite(path: string, body: Uint8Array): boolean;
}

/** See the module's text. A lost answer is one that the server gave: then the line breaks. */
export class LossyHttpProxy {
  readonly #server: Server;

  private constructor(options: LossyHttpProxyOptions) {
    this.#server = createServer((incoming, answer) => void forward(incoming, answer, options));
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
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

async function forward(
  incoming: IncomingMessage,
  answer: ServerResponse,
  { target, losses, isWrite }: LossyHttpProxyOptions,
): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const body = new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
  const { method, url: path, headers } = incoming;
  const losing = isWrite(path!, body) && losses.take();
  const onward = request({ host: "127.0.0.1", port: target(), method, path, headers });
  const broken = () => {
    onward.destroy();
    answer.destroy();
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
    answer.writeHead(response.statusCode!, response.headers);
    answer.flushHeaders();
    response.pipe(answer);
  });
  onward.end(body);
}
