/**
 * The cluster: which nodes are members, which deployment serves, and how nodes get weights from
 * each other. Start with `deployment.ts`, a model cut into stages; then `cluster.ts`, the one actor
 * that decides, and `member.ts`, the actor of each node that carries it out.
 *
 * - who is a member: `roster.ts`, `join_order.ts`, `absent.ts`, `memory.ts`
 * - what serves, by names, copies and placements: `deployments.ts`, `named_deployment.ts`,
 *   `deployment_copy.ts`, `deployment_ids.ts`, `placement.ts`
 * - from one placement to the next: `preparation.ts`, `copy_loading.ts`, `adoption.ts`,
 *   `live_moves.ts`
 * - how many copies there are: `copies_policy.ts`, `copy_delays.ts`
 * - who is alive: `node_watch.ts`, `detector.ts`, `votes.ts`, `reach.ts`
 * - a node is gone or silent: `member_watch.ts`, `stand_ins.ts`, `copy_repair.ts`, `repair.ts`,
 *   `backups.ts`, `warm_backups.ts`
 * - what members may complain of: `doubts.ts`, `replans.ts`, `rate_limit.ts`
 * - another coordinator begins: `takeover.ts`, `coordinator_watch.ts`
 * - weights on their way: `weights.ts`, `fetches.ts`
 * - what nodes tell of themselves: `examination.ts`, `checkup.ts`, `vitals.ts`, `links.ts`,
 *   `log_page.ts`
 *
 * @module
 */
export * from "./callers.ts";
export * from "./checkup.ts";
export * from "./cluster.ts";
export * from "./copies_policy.ts";
export * from "./copy_name.ts";
export * from "./deployment.ts";
export type { CopyState } from "./copy_source.ts";
export * from "./deployment_source.ts";
export * from "./examination.ts";
export * from "./fetches.ts";
export * from "./links.ts";
export * from "./log_page.ts";
export { type NodeVitals, nodeVitalsSchema } from "./vitals.ts";
export * from "./member.ts";
export * from "./coordinator_watch.ts";
export * from "./detector.ts";
export * from "./health.ts";
export * from "./member_watch.ts";
export * from "./memory.ts";
export type { CopyView, DeploymentView } from "./named_deployment.ts";
export * from "./node_key.ts";
export * from "./node_watch.ts";
export * from "./placement.ts";
export * from "./repair.ts";
export * from "./weights.ts";
