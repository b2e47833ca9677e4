/**
 * The cluster: who is a member, what is deployed where, and how weights travel.
 *
 * @module
 */
export * from "./cluster.ts";
export * from "./deployment.ts";
export * from "./member.ts";
export * from "./node_key.ts";
export * from "./weights.ts";
