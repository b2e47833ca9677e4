/**
 * Asks which node listens at an address. A node that joins a cluster knows only an address of it,
 * so this is the first thing that it does.
 *
 * @module
 */
import { z } from "zod";
import type { NodeId } from "../../actors/system/mod.ts";
import type { HeaderFields } from "../http2/mod.ts";
import { authorityOf, connect, cut } from "./connect.ts";
import { mailboxError } from "./errors.ts";
import type { MailboxTls } from "./tls.ts";

/** HTTP path that a mailbox answers with an object of {@linkcode identitySchema}. */
export const IDENTITY_PATH = "/mailbox/v1/node";

/** Longest answer that is read, characters. */
const MAX_CHARS = 4096;

/** Schema of a node's answer: its name. */
export const identitySchema = z.object({ node: z.string().min(1).max(128) });

/**
 * The name of the node whose mailbox listens at `host:port`. Throws `unreachable` (group `mailbox`)
 * if nobody listens there or no mailbox does, and the signal's reason.
 */
export async function identify(
  host: string,
  port: number,
  options: { signal: AbortSignal; tls?: MailboxTls },
): Promise<NodeId> {
  const { signal, tls } = options;
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<NodeId>();
  const unreachable = (why: string) =>
    reject(
      mailboxError(
        "unreachable",
        `${authorityOf(host, port)} does not answer as a mailbox: ${why}`,
        {
          host,
          port,
        },
      ),
    );
  const session = connect(host, port, tls && { tls });
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  session.on(
    "error",
    (error) => unreachable(error.message || String((error as { code?: string }).code)),
  );
  session.on("close", () => unreachable("it closed the connection"));
  const stream = session.request({ ":method": "GET", ":path": IDENTITY_PATH });
  let text = "";
  stream.setEncoding("utf8");
  stream.on("response", (headers: HeaderFields) => {
    if (headers[":status"] !== "200") unreachable(`HTTP ${headers[":status"]}`);
  });
  stream.on("data", (chunk: string) => {
    text += chunk;
    if (text.length > MAX_CHARS) unreachable("its answer is too long");
  });
  stream.on("error", (error) => unreachable(error.message));
  stream.on("end", () => {
    try {
      resolve(identitySchema.parse(JSON.parse(text)).node);
    } catch {
      unreachable("its answer is no node's");
    }
  });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", abort);
    cut(session);
  }
}
