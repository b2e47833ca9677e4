/**
 * A client that connects to a node's mailbox with whatever certificate it has, for attacks on the
 * door.
 *
 * @module
 */
import http2, { type ClientHttp2Session } from "node:http2";
import tls, { type TLSSocket } from "node:tls";
import { decodeCbor } from "../../runtime/mailbox/cbor.ts";
import { FrameReader } from "../../runtime/mailbox/frame_reader.ts";
import { controlFrame, MAILBOX_PATH } from "../../runtime/mailbox/wire.ts";
import { until } from "./transport_suite.ts";

/** What an intruder shows. */
export interface IntruderOptions {
  /** Key and certificate, PEM. @default none */
  certificate?: { key: string; cert: string };
  /** Newest version of TLS that it speaks. @default 1.3 */
  version?: "TLSv1.2" | "TLSv1.3";
}

/** What came of a request. */
export interface Answer {
  /** HTTP status; 0: the connection ended before. */
  status: number;
  /** Everything that came, as text. */
  text: string;
  /** Frames that came on a mailbox's stream. */
  frames: unknown[];
}

/** See the module's text. */
export class Intruder {
  readonly #session: ClientHttp2Session;
  readonly #socket: TLSSocket;
  /** true once the connection has ended. */
  closed = false;

  constructor(port: number, { certificate, version = "TLSv1.3" }: IntruderOptions = {}) {
    this.#socket = tls.connect({
      host: "127.0.0.1",
      port,
      servername: "join.orrery",
      rejectUnauthorized: false,
      minVersion: version,
      maxVersion: version,
      ALPNProtocols: ["h2"],
      ...certificate,
    });
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => this.closed = true);
    this.#session = http2.connect(`https://127.0.0.1:${port}`, {
      createConnection: () => this.#socket,
    });
    this.#session.on("error", () => this.closed = true);
    this.#session.on("close", () => this.closed = true);
  }

  /** DER of the certificate that the other side showed. */
  get shown(): Uint8Array {
    return this.#socket.getPeerCertificate(true).raw;
  }

  /**
   * Sends a request, with parts of a body, and waits for the answer's end.
   *
   * @param whole Is that the whole body, or does more of it seem to come?
   */
  async ask(
    method: string,
    path: string,
    parts: (string | Uint8Array)[] = [],
    whole = false,
  ): Promise<Answer> {
    const answer: Answer = { status: 0, text: "", frames: [] };
    if (this.closed) return answer;
    const stream = this.#session.request({ ":method": method, ":path": path }, {
      endStream: method === "GET",
    });
    let ended = false;
    const chunks: Uint8Array[] = [];
    stream.on("error", () => ended = true);
    stream.on("close", () => ended = true);
    stream.on("end", () => ended = true);
    stream.on("response", (headers) => answer.status = Number(headers[":status"]));
    stream.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    for (const part of parts) stream.write(part);
    if (whole) stream.end();
    await until(() => ended || this.closed, `an answer to ${method} ${path}`);
    const bytes = Buffer.concat(chunks);
    answer.text = bytes.toString();
    if (path === MAILBOX_PATH && answer.status === 200) {
      const reader = new FrameReader(1 << 20, (frame) => answer.frames.push(decodeCbor(frame)));
      reader.push(bytes);
    }
    return answer;
  }

  /** Says hello as `node` to node `to`. */
  hello(node: string, to: string): Promise<Answer> {
    const hello = { t: "hello", v: 1, node, incarnation: 1, to, link: 1, base: 1 };
    return this.ask("POST", MAILBOX_PATH, [controlFrame(hello)]);
  }

  /** Ends the connection. */
  end(): void {
    this.#socket.destroy();
  }
}
