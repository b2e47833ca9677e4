/**
 * HTTP by hand: bytes to a socket, and what comes back.
 *
 * @module
 */
import { connect } from "node:net";

/** What a server did with a connection. */
export interface RawAnswer {
  /** Everything that it sent, as Latin-1. */
  text: string;
  /** Status of the first response; 0: there was none. */
  status: number;
  /** Body of the first response, up to the end of the connection. */
  body: string;
  /** Did the server end the connection before the time was over? */
  closed: boolean;
  /** Milliseconds that the connection lived. */
  ms: number;
}

/**
 * Opens a connection, sends the parts one after the other (a number: wait so many milliseconds) and
 * listens until the server closes it, or until `ms` milliseconds are over.
 */
export async function rawHttp(
  url: string,
  parts: (string | Uint8Array | number)[],
  { ms = 2_000 }: { ms?: number } = {},
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const began = performance.now();
  const chunks: Uint8Array[] = [];
  let closed = false;
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, ms);
  socket.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  socket.on("error", () => {}); // "close" follows
  socket.on("close", () => {
    closed = true;
    over.resolve();
  });
  const send = async () => {
    for (const part of parts) {
      if (closed) return;
      if (typeof part === "number") await new Promise((resolve) => setTimeout(resolve, part));
      else socket.write(typeof part === "string" ? new TextEncoder().encode(part) : part);
    }
  };
  const sending = send();
  await over.promise;
  clearTimeout(timer);
  const lived = performance.now() - began;
  const stillOpen = !closed;
  if (stillOpen) {
    const end = new Promise((resolve) => socket.once("close", resolve));
    socket.destroy();
    await end;
  }
  await sending;
  const text = chunks.map((chunk) => new TextDecoder("latin1").decode(chunk)).join("");
  const [, status = "0"] = /^HTTP\/1\.[01] (\d{3})/.exec(text) ?? [];
  const body = text.split("\r\n\r\n").slice(1).join("\r\n\r\n");
  return { text, status: Number(status), body, closed: !stillOpen, ms: lived };
}
