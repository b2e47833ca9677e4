/**
 * Decode shape: drafts, branches, and whether to distribute at all.
 *
 * @module
 */
export * from "./branch_shape.ts";
export * from "./draft_shape.ts";
export * from "./pipeline_costs.ts";
export * from "./worth_distributing.ts";
