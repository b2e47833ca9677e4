/**
 * Decode shape: how long drafts should be, and how many branches share a frame, on a given
 * pipeline.
 *
 * @module
 */
export * from "./branch_shape.ts";
export * from "./draft_shape.ts";
export * from "./pipeline_costs.ts";
export * from "./prompt_time.ts";
