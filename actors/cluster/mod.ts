/**
 * The cluster: which nodes are members, which deployment serves, and how nodes get weights from
 * each other.
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
