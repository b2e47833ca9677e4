/**
 * Opens a node's mailbox, and says in plain words why its address cannot be used.
 *
 * @module
 */
import { hostname } from "node:os";
import { type NodeId, OrreryError } from "../../actors/mod.ts";
import {
  createMailbox,
  type MailboxTls,
  type MailboxTransport,
  type ProtocolRange,
} from "../mailbox/mod.ts";

/** What is wrong with an address, by the code of the system's error. */
const REASONS: Record<string, string | undefined> = {
  EADDRINUSE: "is in use",
  EADDRNOTAVAIL: "is not on this machine",
  EINVAL: "is not on this machine",
  ENOTFOUND: "names no host",
  EACCES: "may not be opened",
};

/** Options of {@linkcode listen}. */
export interface ListenOptions {
  /** Id of the node. */
  node: NodeId;
  /** Address to listen on. */
  host: string;
  /** Address that others are told. */
  advertise: string;
  /** TCP port; 0 takes any free one. */
  mailboxPort: number;
  /** Its certificates: every link is mutual TLS. */
  tls: MailboxTls;
  /** Versions of the protocol to speak. @default those that this program knows */
  protocol?: ProtocolRange;
  /** See `MailboxOptions.epochOf`. */
  epochOf?: (to: string) => number;
}

/**
 * The id of a new life of a node: the name, the port, and four random hexadecimal digits. A
 * restarted node is another node, since what it held is gone: it needs another id.
 */
export function newNodeId(
  { name = hostname(), mailboxPort }: { name?: string; mailboxPort: number },
): NodeId {
  const part = name.replace(/[^A-Za-z0-9.-]/g, "-").slice(0, 64) || "node";
  return `${part}:${mailboxPort}:${crypto.randomUUID().slice(0, 4)}`;
}

/**
 * A mailbox that listens. Throws group `mailbox`, codes `port_in_use` and `cannot_listen`
 * (metadata: `host`, `port`).
 */
export async function listen(
  { node, host, advertise, mailboxPort: port, tls, protocol, epochOf }: ListenOptions,
): Promise<MailboxTransport> {
  try {
    return await createMailbox({
      node,
      host,
      port,
      advertiseHost: advertise,
      tls,
      protocol,
      epochOf,
      accept: () => true,
    });
  } catch (error) {
    const code = /\bE[A-Z]{4,}\b/.exec(String(error))?.[0] ?? ""; // not every error has it as a field
    const why = REASONS[code];
    if (why === undefined) throw error;
    throw new OrreryError({
      group: "mailbox",
      code: code === "EADDRINUSE" ? "port_in_use" : "cannot_listen",
      message:
        `mailbox address ${host}:${port} ${why}; choose another with --mailbox-port or --host`,
      metadata: { host, port },
      cause: error,
    });
  }
}
