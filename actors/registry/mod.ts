/**
 * The registry: the small store that all nodes of a cluster share, as an interface, and the actor
 * by which nodes reach the one that is embedded in the first node.
 *
 * Back ends are in `runtime/registry/`. Keys are chosen so that each kind of data has a prefix that
 * can be watched, and so that what must change together has keys that one transaction names:
 *
 * | what                 | key                             | value, lease                              |
 * | -------------------- | ------------------------------- | ----------------------------------------- |
 * | members              | `members/NODE`                  | the member; vanishes with the node's lease |
 * | who plans            | `coordinator`                   | node, address, epoch; with its node's lease |
 * | leases of nodes      | `owners/node/NODE`              | how many it took; vanishes with the lease |
 * | ownership of actors  | `owners/ADDRESS`                | node and epoch; no lease, epochs only grow |
 * | an actor's state     | `state/ADDRESS/EPOCH/NAME`      | written with a check of `owners/ADDRESS`  |
 * | its next alarm       | `alarms/ADDRESS/EPOCH/first`    | when it is due; only finds actors that have some |
 * | journals             | `journals/NODE`                 | which node has copies of NODE's requests, and may go on with them |
 * | idempotency keys     | `idempotency/SHA-256`           | the request that stands for a key; a lease of a day |
 * | deployments          | `deployments/ID`                | the deployment                            |
 * | which one serves     | `serving`                       | a deployment's id                         |
 * | graphs, their plans  | `graphs/NAME`, `plans/ID`       | the graph file; the plan                  |
 * | join tokens          | `tokens/ID`                     | hash of the secret, uses left             |
 *
 * The epoch stands in the key of what an owner writes, and the write checks the version of
 * `owners/ADDRESS`: what a stale owner writes late is refused, and would land where nobody reads.
 *
 * @module
 */
export * from "./access.ts";
export * from "./actor.ts";
export * from "./check.ts";
export * from "./contract.ts";
export * from "./errors.ts";
export * from "./hold_lease.ts";
export * from "./member_leases.ts";
export * from "./read_json.ts";
export * from "./remote_registry.ts";
export * from "./servers.ts";
export * from "./soundness.ts";
