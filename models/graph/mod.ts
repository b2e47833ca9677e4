/**
 * Stage graphs: ONNX for any layer range of a converted model.
 *
 * @module
 */
export { MASKED } from "./contract.ts";
export type { HeadGraph, LogitsOutput, RowCache, StageGraph, StateCache } from "./contract.ts";
export { buildHeadGraph, buildStageGraph } from "./stage.ts";
export type { HeadGraphOptions, StageGraphOptions } from "./stage.ts";
export { buildSplitStage } from "./split_stage.ts";
export {
  oneStateBytes,
  rowBytes,
  rowCaches,
  stateBytes,
  stateCaches,
  stateCount,
  stateElements,
  STATES_KEPT,
  windowOf,
} from "./row_caches.ts";
