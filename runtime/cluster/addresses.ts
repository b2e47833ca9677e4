/**
 * Network addresses: which one a node advertises, and whether it can be reached there.
 *
 * @module
 */
import { isIP } from "node:net";
import { OrreryError } from "../../actors/mod.ts";

const isLoopback = (host: string) =>
  host === "localhost" || host === "::1" || host.startsWith("127.");
const isAny = (host: string) => host === "0.0.0.0" || host === "::";

/**
 * The address that other nodes are told to dial, for a node that listens on `host`: `host` itself,
 * or where that means all interfaces, the first IPv4 address that is no loopback one.
 */
export function advertisedHost(
  host: string,
  interfaces: { address: string; family: string }[] = Deno.networkInterfaces(),
): string {
  if (!isAny(host)) return host;
  const outward = interfaces.find((i) => i.family === "IPv4" && !isLoopback(i.address));
  return outward?.address ?? "127.0.0.1";
}

/**
 * Throws group `cluster`, code `join_failed`, where this node listens on loopback only and the
 * first node is on another machine: that node could not reach this one.
 */
export function checkJoin(host: string, seedHost: string): void {
  if (isLoopback(host) && isIP(seedHost) && !isLoopback(seedHost)) {
    throw new OrreryError({
      group: "cluster",
      code: "join_failed",
      message:
        `this node listens on ${host}, which the node at ${seedHost} cannot reach; add --host with this machine's address (or 0.0.0.0)`,
      metadata: { host, seed: seedHost },
    });
  }
}
