/**
 * Simulator: runs a plan's pipeline in virtual time, and draws what it did.
 *
 * @module
 */
export { COORDINATOR, type FrameCosts, type Hop, uniformCosts } from "./costs.ts";
export type {
  FramePolicy,
  PipelineEvent,
  PlanSimulationOptions,
  RequestResult,
  SimulationResult,
} from "./options.ts";
export * from "./plan_costs.ts";
export * from "./simulate.ts";
export * from "./timeline.ts";
export * from "./trace.ts";
