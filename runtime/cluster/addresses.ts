/**
 * Which address other nodes are told to dial.
 *
 * @module
 */
import { isIP } from "node:net";
import { OrreryError } from "../../actors/mod.ts";

const isLoopback = (host: string) =>
  host === "localhost" || host === "::1" || host.startsWith("127.");
const isAny = (host: string) => host === "0.0.0.0" || host === "::";

/**
 * The address to advertise for a listening host: itself, or the first outward one where it listens
 * on all.
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
 * Throws `join_failed` when a node that only listens on loopback joins one elsewhere: nobody could
 * reach it.
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
