/**
 * The command by which a further node joins.
 *
 * @module
 */

import { PROGRAM } from "./program_name.ts";

/** Added to a port where two nodes share a machine. */
const NEXT_PORT = 10;

/** What the command says. */
export interface JoinCommandOptions {
  /** Where the first node's mailbox listens. */
  first: { host: string; port: number };
  /** The token that it joins with. */
  token: string;
  /** Ports of the node that prints it; for nodes on the same machine. */
  near?: { port: number; mailboxPort: number };
}

/** The command line that joins `first`. A node beside it gets other ports, one elsewhere a host. */
export function joinCommand({ first, token, near }: JoinCommandOptions): string {
  const { host, port } = first;
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const local = host === "127.0.0.1" || host === "localhost" || host === "::1";
  const ports = near ?? { port: 8420, mailboxPort: port };
  return [
    `${PROGRAM} start --join ${address}`,
    `--token ${token}`,
    local
      ? `--port ${ports.port + NEXT_PORT} --mailbox-port ${ports.mailboxPort + NEXT_PORT}`
      : "--host 0.0.0.0",
  ].join(" ");
}
