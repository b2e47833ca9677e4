/**
 * What `deno task start` says about the ports of a node: which address and port, and who gets in.
 *
 * @module
 */
import pc from "picocolors";
import { type ApiAddress, isLoopback } from "../access/mod.ts";
import { PROGRAM } from "./program_name.ts";

/** The ports of a node that runs. */
export interface NodePorts {
  /** Where the mailbox listens. */
  mailbox: { host: string; port: number };
  /** Where the API listens, and why there. */
  api: ApiAddress & { port: number };
  /** The file of the keys of which a client needs one; undefined: it needs none. */
  keyFile?: string;
  /** Does the node announce its cluster on the local network (multicast DNS)? */
  announces: boolean;
  /** Where this node's etcd listens, and its ports; undefined: none runs. */
  etcd?: { host: string; peers: number; clients: number };
}

/** A line for each port: `local` for this machine alone, `open` for whoever reaches the address. */
export function portLines({ mailbox, api, keyFile, announces, etcd }: NodePorts): string[] {
  const lines = [mailboxLine(mailbox), apiLine(api, keyFile)];
  if (etcd) {
    const { host, peers, clients } = etcd;
    const ports = `etcd ${authority(host, peers)} and ${clients}`;
    lines.push(line(host, `${ports}: nodes of this cluster that are servers of its registry`));
  }
  if (announces) {
    lines.push(
      line(mailbox.host, "UDP port 5353 (mDNS): tells where this cluster is (off: --no-discovery)"),
    );
  }
  return lines;
}

function mailboxLine({ host, port }: NodePorts["mailbox"]): string {
  const from = isLoopback(host) ? "on this machine" : "on any machine that reaches it";
  const who = `nodes ${from}, with a certificate of this cluster or a join token`;
  return line(host, `mailbox ${authority(host, port)}: ${who}`);
}

function apiLine({ host, port, loopback, kept }: NodePorts["api"], keyFile?: string): string {
  const where = `API ${authority(host, port)}`;
  if (kept) {
    return line(
      host,
      `${where}, not on --host, as there are no API keys: programs on this machine, without a key; ` +
        `open it with \`${PROGRAM} keys create NAME\` (then start again) or --no-api-key`,
    );
  }
  const who = loopback ? "programs on this machine" : "everybody who reaches it";
  if (keyFile !== undefined) return line(host, `${where}: ${who}, with a key of ${keyFile}`);
  const text = `${where}: ${who}, without a key`;
  return line(host, loopback ? text : pc.yellow(`${text} (--no-api-key)`));
}

const line = (host: string, text: string): string =>
  isLoopback(host) ? `${pc.bold("local")}    ${text}` : `${pc.bold("open")}     ${text}`;

const authority = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
