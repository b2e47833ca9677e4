/**
 * Planner: pure functions from profiles, links, model and workload to a plan and its reasons.
 *
 * @module
 */
export * from "./even_split.ts";
