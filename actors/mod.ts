/**
 * Actors: what the system is made of. Behaviour only; effects go through `ctx`.
 *
 * @module
 */
export * from "./address.ts";
export * from "./arbiter.ts";
export { type ArbiterStats } from "./arbiter/stats.ts";
export { type StageTrace } from "./arbiter/frame_cost.ts";
export { type FrameTrace } from "./arbiter/usage.ts";
export * from "./arbiter_messages.ts";
export * from "./cluster.ts";
export * from "./custom.ts";
export * from "./define.ts";
export { type DeadLetter } from "./dead_letters.ts";
export * from "./deployment.ts";
export * from "./directory.ts";
export * from "./drafter.ts";
export * from "./engine.ts";
export * from "./envelope.ts";
export * from "./errors.ts";
export * from "./frame.ts";
export * from "./generation.ts";
export * from "./inbox.ts";
export * from "./local_transport.ts";
export * from "./member.ts";
export * from "./ngram.ts";
export * from "./outline/contract.ts";
export {
  type OutlineRouter,
  outlineRouterSchema,
  type RequestPolicy,
  requestPolicySchema,
} from "./request_policy.ts";
export * from "./simulation.ts";
export * from "./stage.ts";
export * from "./system.ts";
export * from "./tensor.ts";
export * from "./weights.ts";
export * from "./graph.ts";
export { type GraphPaths, graphPaths } from "./graph_paths.ts";
export type { CustomActor, DeviceFile, Graph, GraphDevice, GraphLink, PaperModel } from "./graph_schema.ts";
export { didYouMean } from "./graph_problems.ts";
