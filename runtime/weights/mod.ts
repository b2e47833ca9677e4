/**
 * Weights from anybody: a node takes the blobs that it lacks from all members that have them, in
 * parallel, resumed and checked; it gives its own to others; and it keeps out of the way of
 * requests while it does either.
 *
 * @module
 */
export { Activity } from "./activity.ts";
export type { FetchProgress } from "./fetch_progress.ts";
export { ALL_PARTS } from "./ensure_model.ts";
export type { EnsureModelOptions } from "./model_request.ts";
export { manifestSha256 } from "./find_manifest.ts";
export { NodeWeights, type NodeWeightsOptions } from "./node_weights.ts";
export { weightStore } from "./weight_store.ts";
export { draftOf, targetOf } from "./whole_models.ts";
