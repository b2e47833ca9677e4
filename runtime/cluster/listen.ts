/**
 * Opens a node's mailbox, and says in plain words why its address cannot be used.
 *
 * @module
 */
import { hostname } from "node:os";
import { OrreryError } from "../../actors/mod.ts";
import { createMailbox, type MailboxTransport } from "../mailbox/mod.ts";
import { advertisedHost } from "./addresses.ts";

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
  /** Address to listen on. */
  host: string;
  /** TCP port; 0 takes any free one. */
  mailboxPort: number;
  /** First part of the node's id. @default the machine's host name */
  name?: string;
}

/**
 * A mailbox that listens, with a new node id: the name, the port, and four random hexadecimal
 * digits. Throws group `mailbox`, codes `port_in_use` and
 * `cannot_listen` (metadata: `host`, `port`).
 */
export async function listen(
  { host, mailboxPort: port, name }: ListenOptions,
): Promise<MailboxTransport> {
  const part = (name ?? hostname()).replace(/[^A-Za-z0-9.-]/g, "-").slice(0, 64) || "node";
  try {
    return await createMailbox({
      // A restarted node is another node, since what it held is gone: it needs another id.
      node: `${part}:${port}:${crypto.randomUUID().slice(0, 4)}`,
      host,
      port,
      advertiseHost: advertisedHost(host),
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
