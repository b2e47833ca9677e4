/**
 * Stage graphs: ONNX for any layer range of a converted model.
 *
 * @module
 */
export { kvNames, MASKED } from "./contract.ts";
export type { HeadGraph, LogitsOutput, StageGraph } from "./contract.ts";
export { buildHeadGraph, buildStageGraph } from "./stage.ts";
export type { HeadGraphOptions, StageGraphOptions } from "./stage.ts";
export { cacheDim } from "./blocks.ts";
