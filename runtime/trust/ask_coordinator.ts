/**
 * Asks a node who coordinates the cluster.
 *
 * @module
 */
import type { NodeId } from "../../actors/system/mod.ts";
import type { HeaderFields } from "../http2/mod.ts";
import { authorityOf, connect, cut, type MailboxTls } from "../mailbox/mod.ts";
import { trustError } from "./errors.ts";
import {
  COORDINATOR_PATH,
  coordinatorAnswerSchema,
  type CoordinatorPlace,
  MAX_ANSWER_CHARS,
} from "./join_protocol.ts";

export type { CoordinatorPlace } from "./join_protocol.ts";

/** Whom {@linkcode askCoordinator} asks. */
export interface CoordinatorAsk {
  /** Where its mailbox listens. */
  host: string;
  port: number;
  /** This node's certificates. */
  tls: MailboxTls;
  /**
   * The node that must be there; undefined: one that holds the cluster's authority, whose word is to
   * be believed.
   */
  to?: NodeId;
  /** Ends the wait. */
  signal: AbortSignal;
}

/**
 * Who coordinates, as far as that node knows; undefined: it knows of nobody. Throws `bad_answer`
 * (group `trust`), what the check of its certificate throws, and the signal's reason.
 */
export async function askCoordinator(
  { host, port, tls, to, signal }: CoordinatorAsk,
): Promise<CoordinatorPlace | undefined> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<CoordinatorPlace | undefined>();
  const fail = (why: string, cause?: unknown) =>
    reject(
      trustError(
        "bad_answer",
        `${authorityOf(host, port)} does not say who coordinates: ${why}`,
        { host, port },
        cause,
      ),
    );
  const session = connect(host, port, { tls, to });
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  const broken = (error: unknown) => {
    const cause = error as { message?: string; code?: string };
    fail(cause.message || String(cause.code), cause);
  };
  session.on("error", broken);
  session.on("close", () => fail("it closed the connection"));
  const stream = session.request({ ":method": "GET", ":path": COORDINATOR_PATH });
  let text = "";
  stream.setEncoding("utf8");
  stream.on("response", (headers: HeaderFields) => {
    if (headers[":status"] !== "200") fail(`HTTP ${headers[":status"]}`);
  });
  stream.on("data", (chunk: string) => {
    text += chunk;
    if (text.length > MAX_ANSWER_CHARS) fail("its answer is too long");
  });
  stream.on("error", broken);
  stream.on("end", () => {
    const parsed = coordinatorAnswerSchema.safeParse(jsonOf(text));
    if (parsed.success) resolve(parsed.data.coordinator);
    else fail("its answer is not one of this version");
  });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", abort);
    cut(session);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
