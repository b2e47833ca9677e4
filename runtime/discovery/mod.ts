/**
 * Clusters on the local network, by multicast DNS (RFC 6762, 6763): the first node says where its
 * mailbox listens and which authority its cluster has; a node that joins without an address looks
 * for the cluster that it has a token for, or that it belonged to.
 *
 * What is said on the network is a hint and no proof: whoever is found must still show the
 * authority's certificate (`runtime/trust`) before a secret is sent.
 *
 * @module
 */
export { type ClusterAdvert, type FoundCluster } from "./advert.ts";
export { announceCluster, type AnnounceOptions } from "./announce.ts";
export { findCluster, type FindOptions, LOOK_MS } from "./find.ts";
export { type Announced, type Lan, MulticastLan } from "./lan.ts";
