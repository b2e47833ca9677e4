/**
 * A node's side of joining: gets the authority's certificate, checks it, and only then sends what
 * nobody else may see.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import http2, { type ClientHttp2Session } from "node:http2";
import tls from "node:tls";
import type { z } from "zod";
import { OrreryError, wireErrorSchema } from "../../actors/system/mod.ts";
import {
  authorityOf,
  commonVersion,
  connectionError,
  FIRST_PROTOCOL,
  PROTOCOL,
  type ProtocolRange,
  speaks,
  TLS_VERSION,
} from "../mailbox/mod.ts";
import { checkServer, fingerprintOf, JOIN_NAME } from "./certificates.ts";
import { trustError } from "./errors.ts";
import {
  AUTHORITY_PATH,
  authorityAnswerSchema,
  CERTIFICATE_PATH,
  type JoinAnswer,
  joinAnswerSchema,
  type JoinRequest,
  MAX_ANSWER_CHARS,
} from "./join_protocol.ts";

/** Milliseconds that the whole exchange may take. */
const JOIN_MS = 10_000;

/** What a node needs to join. */
export interface JoinOptions {
  /** Where the first node's mailbox listens. */
  first: { host: string; port: number };
  /** SHA-256 of the certificate of the authority that must be there. */
  fingerprint: string;
  /** What is sent once the authority is checked. */
  request: Omit<JoinRequest, "protocol">;
  /** Versions of the protocol to speak. @default those that this program knows */
  protocol?: ProtocolRange;
  /** Ends the exchange. */
  signal?: AbortSignal;
}

/**
 * Gets certificates from the first node. Throws `wrong_authority` and `bad_certificate` (group
 * `trust`), with which nothing was sent; `version` (group `mailbox`); what the first node refuses with; and `join_failed` (group
 * `cluster`) where nobody answers.
 */
export async function joinFirstNode(
  { first, fingerprint, request, protocol = PROTOCOL, signal }: JoinOptions,
): Promise<JoinAnswer & { authority: string; version: number }> {
  const { host, port } = first;
  const where = authorityOf(host, port);
  const timeout = AbortSignal.timeout(JOIN_MS);
  const within = signal ? AbortSignal.any([signal, timeout]) : timeout;

  const { authority, protocol: spoken } = await ask(
    open(first),
    where,
    within,
    authorityAnswerSchema,
    {
      path: AUTHORITY_PATH,
    },
  );
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(authority);
  } catch (error) {
    throw trustError("wrong_authority", `${where} sent no certificate`, { host, port }, error);
  }
  const found = fingerprintOf(certificate);
  if (found !== fingerprint) {
    throw trustError(
      "wrong_authority",
      `the cluster at ${where} is another one: its authority's certificate has the hash ${
        found.slice(0, 16)
      }..., expected was ${fingerprint.slice(0, 16)}...; nothing was sent to it. ` +
        "Join with the command that its first node printed",
      { host, port, found, expected: fingerprint },
    );
  }
  // A first node that is told the versions refuses by itself, and then its log says so too.
  const told = spoken && speaks("range", protocol.highest);
  const here = { node: request.node, protocol };
  const there = { node: `at ${where}`, protocol: spoken ?? FIRST_PROTOCOL };
  const version = spoken ? 0 : commonVersion(here, there);
  const answer = await ask(open(first, authority), where, within, joinAnswerSchema, {
    path: CERTIFICATE_PATH,
    body: told ? { ...request, protocol } : request,
  });
  return { ...answer, authority, version: version || commonVersion(here, there) };
}

/** Opens a connection; without an authority the other side's certificate is not checked. */
function open(
  { host, port }: JoinOptions["first"],
  authority?: string,
): { session: ClientHttp2Session; socket: tls.TLSSocket } {
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
  const session = http2.connect(`https://${authorityOf(host, port)}`, {
    createConnection: () => socket,
  });
  return { session, socket };
}

/** One request on a connection, which is ended. Throws what the other side refuses with. */
async function ask<T>(
  { session, socket }: ReturnType<typeof open>,
  where: string,
  signal: AbortSignal,
  schema: z.ZodType<T>,
  { path, body }: { path: string; body?: JoinRequest },
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const fail = (wrapped: unknown) => {
    const error = connectionError(wrapped);
    const { message, code } = error as { message?: string; code?: string };
    reject(error instanceof OrreryError ? error : joinFailed(where, message || code || `${error}`));
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
  stream.on("response", (headers) => status = Number(headers[":status"]));
  stream.on("data", (chunk: string) => {
    text += chunk;
    if (text.length > MAX_ANSWER_CHARS) fail("its answer is too long");
  });
  stream.on("error", fail);
  stream.on("end", () => resolve({ status, text }));
  if (body !== undefined) stream.end(JSON.stringify(body));
  try {
    const answer = await promise;
    return read(answer, where, schema);
  } finally {
    signal.removeEventListener("abort", abort);
    // See cut() of the mailbox: `session.destroy()` can abort the process.
    setImmediate(() => socket.destroy());
  }
}

function read<T>(
  { status, text }: { status: number; text: string },
  where: string,
  schema: z.ZodType<T>,
): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw joinFailed(where, `HTTP ${status}, no JSON`);
  }
  if (status !== 200) {
    const refused = wireErrorSchema.safeParse((value as { error?: unknown })?.error);
    if (refused.success) throw OrreryError.fromWire(refused.data);
    throw joinFailed(where, `HTTP ${status}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw joinFailed(where, "its answer is not one of this version");
}

/** The error of a node that finds no first node at an address. */
export function joinFailed(where: string, why: string): OrreryError {
  return new OrreryError({
    group: "cluster",
    code: "join_failed",
    message: `no node answers at ${where} (${why}); ` +
      "start the first node there, and name its mailbox port (8421), not its API port",
  });
}
