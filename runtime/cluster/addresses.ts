/**
 * Network addresses: whether a node can be reached at one.
 *
 * @module
 */
import { isIP } from "node:net";
import { OrreryError } from "../../actors/mod.ts";

/** Whether an address, or a name, is this machine's for itself alone. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host.startsWith("127.");
/** Whether an address means all interfaces. */
export const isAny = (host: string): boolean => host === "0.0.0.0" || host === "::";

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
