/**
 * The first node's announcement.
 *
 * @module
 */
import { isIPv4 } from "node:net";
import type { ClusterAdvert } from "./advert.ts";
import { type Announced, type Lan, MulticastLan } from "./lan.ts";

/** What {@linkcode announceCluster} needs to know. */
export interface AnnounceOptions extends ClusterAdvert {
  /** Address that the mailbox listens on. */
  host: string;
  /** @default multicast on the interface of `host`, or on all where it listens on all */
  lan?: Lan;
}

/**
 * Announces a cluster until disposal. Undefined: nothing is said, as the mailbox listens on this
 * machine only.
 */
export async function announceCluster(
  { host, lan, ...advert }: AnnounceOptions,
): Promise<Announced | undefined> {
  if (host === "localhost" || host === "::1" || host.startsWith("127.")) return undefined;
  // A name or an IPv6 address says nothing of the interface: then all are told.
  const interfaces = isIPv4(host) && host !== "0.0.0.0" ? [host] : undefined;
  return await (lan ?? new MulticastLan({ interfaces })).announce(advert);
}
