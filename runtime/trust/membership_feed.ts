/**
 * A member's side of who belongs to the cluster: it follows what the first node says, so that a
 * removed node is refused everywhere within a second or two, and every member has the newest roll.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, cut, keepalive, type MailboxTls, speaks } from "../mailbox/mod.ts";
import {
  MAX_ANSWER_CHARS,
  MEMBERSHIP_PATH,
  type MembershipNews,
  membershipSchema,
  REVOKED_PATH,
  revokedSchema,
} from "./join_protocol.ts";

const log = getLogger(["orrery", "trust"]);

/** Milliseconds between the end of a connection and the next one. */
const RETRY_MS = 2_000;
/** Pings that find out whether the connection still works, milliseconds. */
const PINGS = { intervalMs: 10_000, timeoutMs: 10_000 };

/** Whom a member follows. */
export interface FollowedNode {
  /** Where the coordinator's mailbox listens. */
  host: string;
  port: number;
  /** The version of the protocol that it and this node speak. */
  version: number;
}

/**
 * Calls `heard` with each line of the coordinator, until the signal ends it. `first` says where that
 * one listens, for each connection anew.
 */
export async function followMembership(
  first: () => FollowedNode | undefined,
  tls: MailboxTls,
  heard: (news: MembershipNews) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const place = first();
      if (!place) return; // this node has become the one that tells the others
      await once(place, tls, heard, signal);
    } catch (error) {
      if (!signal.aborted) {
        log.debug("no news of who belongs to the cluster: {message}", {
          message: (error as Error).message,
        });
      }
    }
    await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
  }
}

/** One connection; rejects when it ends. */
async function once(
  { host, port, version }: FollowedNode,
  tls: MailboxTls,
  heard: (news: MembershipNews) => void,
  signal: AbortSignal,
): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const session = connect(host, port, { tls });
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  session.on("error", reject);
  session.on("close", () => reject(new Error("the connection was closed")));
  let stopPings = () => {};
  session.on("connect", () => stopPings = keepalive(session, PINGS));
  const [path, read] = speaks("roll", version)
    ? [MEMBERSHIP_PATH, (line: unknown) => membershipSchema.parse(line)] as const
    : [REVOKED_PATH, (line: unknown) => ({ revoked: revokedSchema.parse(line) })] as const;
  const stream = session.request({ ":method": "GET", ":path": path });
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop()!;
    try {
      if (text.length > MAX_ANSWER_CHARS) throw new Error("a line is too long");
      for (const line of lines) heard(read(JSON.parse(line)));
    } catch (error) {
      reject(error);
    }
  });
  stream.on("error", reject);
  stream.on("close", () => reject(new Error("the stream was ended")));
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", abort);
    stopPings();
    cut(session);
  }
}
