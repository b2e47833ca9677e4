/**
 * Decode shape: drafts and branches.
 *
 * @module
 */
export * from "./branch_shape.ts";
export * from "./draft_shape.ts";
export * from "./pipeline_costs.ts";
