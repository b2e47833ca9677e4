/**
 * Planner: pure functions that make a plan, with its reasons, from profiles, links, a model and a
 * workload.
 *
 * @module
 */
export { annotated, type Annotations } from "./annotated.ts";
export { type AddedDevice, changedInput, type InputChanges } from "./changed_input.ts";
export * from "./even_split.ts";
export { allRows, kvBytes, kvNeedOf, type KvRows } from "./kv_bytes.ts";
export type * from "./types.ts";
export * from "./cost/mod.ts";
export * from "./decode/mod.ts";
export * from "./sequence/mod.ts";
export * from "./graph_plan.ts";
export { duration, layersText, size } from "./numbers.ts";
export { plan } from "./plan.ts";
export * from "./plan_actors.ts";
export * from "./actor_needs.ts";
export * from "./place_actors.ts";
export * from "./shape_of.ts";
export * from "./simulator/mod.ts";
export * from "./placement/mod.ts";
