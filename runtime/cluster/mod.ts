/**
 * A node's place in its cluster: membership, what it hosts, where actors live, and the placement of
 * the layers.
 *
 * @module
 */
export { advertisedHost, checkJoin } from "./addresses.ts";
export { ClusterDirectory } from "./directory.ts";
export { weightSource } from "./fetch.ts";
export { Host, type HostOptions } from "./host.ts";
export { dialSeed, Membership, type MembershipOptions } from "./membership.ts";
export {
  fitting,
  LOADED_SHARE,
  modelShape,
  planAs,
  secondsPerToken,
  withDefaults,
} from "./plan_input.ts";
export { Placer, type PlacerOptions } from "./placer.ts";
