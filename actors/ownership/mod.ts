/**
 * Ownership: which node may act for an address, so that no two are obeyed at a time.
 *
 * A node holds one lease in the registry (`NodeLease`). With it, it may be the coordinator
 * (`Election`) and own addresses that move from node to node (`Claims`). The actor system asks a
 * `Fence` before it hands a message to such an actor. docs/ownership.md says what is promised, why
 * it holds and how it is attacked.
 *
 * Clocks of two machines are never compared. What is assumed of a clock is its rate
 * (`MAX_CLOCK_DRIFT`), and of the registry that it is linearizable.
 *
 * @module
 */
export * from "./claims.ts";
export * from "./election.ts";
export * from "./errors.ts";
export * from "./fence.ts";
export * from "./node_lease.ts";
export * from "./records.ts";
export { pause, type Timing } from "./waiting.ts";
