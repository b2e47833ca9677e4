/**
 * Requests to the port of another node's mailbox by a node that has no certificate for it: JSON over
 * HTTP/2 and TLS 1.3.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import tls from "node:tls";
import type { z } from "zod";
import { OrreryError, wireErrorSchema } from "../../actors/system/mod.ts";
import { type HeaderFields, Http2Session } from "../http2/mod.ts";
import { authorityOf, TLS_VERSION } from "../mailbox/mod.ts";
import { checkServer, JOIN_NAME } from "./certificates.ts";

/** A request, see {@linkcode askMailbox}. */
export interface MailboxRequest<T> {
  /** Where the other node's mailbox listens. */
  place: { host: string; port: number };
  /**
   * Certificate of the authority by which the first node proves itself, PEM. @default the other
   * side's certificate is not checked
   */
  authority?: string;
  path: string;
  /** Sent as JSON, by POST. @default nothing, by GET */
  body?: unknown;
  /** What the answer must be. */
  schema: z.ZodType<T>;
  /** Longest answer, characters. */
  maxChars: number;
  /** Ends the wait. */
  signal: AbortSignal;
  /** Makes the error where nobody answers as expected. */
  failed: (where: string, why: string) => Error;
}

/** Opens a connection; without an authority the other side's certificate is not checked. */
function open(
  { place: { host, port }, authority }: Pick<MailboxRequest<unknown>, "place" | "authority">,
): { session: Http2Session; socket: tls.TLSSocket } {
  const socket = tls.connect({
    host,
    port,
    servername: JOIN_NAME,
    minVersion: TLS_VERSION,
    ALPNProtocols: ["h2"],
    ...(authority === undefined ? { rejectUnauthorized: false } : {
      ca: authority,
      checkServerIdentity: (_name: string, { raw }: { raw: Uint8Array }) => {
        try {
          const what = `the first node at ${authorityOf(host, port)}`;
          checkServer(raw, new X509Certificate(authority), {
            name: JOIN_NAME,
            now: Date.now(),
            what,
          });
        } catch (error) {
          return error as Error;
        }
      },
    }),
  });
  const session = new Http2Session(socket, { side: "client", authority: authorityOf(host, port) });
  return { session, socket };
}

/**
 * One request on a connection of its own. Throws what the other side refuses with, and `failed` where
 * nobody answers as expected.
 */
export async function askMailbox<T>(
  request: MailboxRequest<T>,
): Promise<T> {
  const { place: { host, port }, path, body, maxChars, signal, failed } = request;
  const where = authorityOf(host, port);
  const { session, socket } = open(request);
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const fail = (error: unknown) => {
    const { message, code } = error as { message?: string; code?: string };
    reject(error instanceof OrreryError ? error : failed(where, message || code || `${error}`));
  };
  const abort = () =>
    fail(signal.reason?.name === "TimeoutError" ? "no answer in time" : signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  session.on("error", fail);
  session.on("close", () => fail("it closed the connection"));
  const stream = session.request({
    ":method": body === undefined ? "GET" : "POST",
    ":path": path,
  }, { endStream: body === undefined });
  let status = 0, text = "";
  stream.setEncoding("utf8");
  stream.on("response", (headers: HeaderFields) => status = Number(headers[":status"]));
  stream.on("data", (chunk: string) => {
    text += chunk;
    if (text.length > maxChars) fail("its answer is too long");
  });
  stream.on("error", fail);
  stream.on("end", () => resolve({ status, text }));
  if (body !== undefined) stream.end(JSON.stringify(body));
  try {
    const answer = await promise;
    return read(answer, where, request);
  } finally {
    signal.removeEventListener("abort", abort);
    setImmediate(() => socket.destroy());
  }
}

function read<T>(
  { status, text }: { status: number; text: string },
  where: string,
  { schema, failed }: MailboxRequest<T>,
): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw failed(where, `HTTP ${status}, no JSON`);
  }
  if (status !== 200) {
    const refused = wireErrorSchema.safeParse((value as { error?: unknown })?.error);
    if (refused.success) throw OrreryError.fromWire(refused.data);
    throw failed(where, `HTTP ${status}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw failed(where, "its answer is not one of this version");
}
