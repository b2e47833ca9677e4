/**
 * Stage graphs: ONNX for any layer range of a converted model.
 *
 * @module
 */
export { kvNames, MASKED } from "./contract.ts";
export type { StageGraph } from "./contract.ts";
export { buildStageGraph } from "./stage.ts";
export type { StageGraphOptions } from "./stage.ts";
export { cacheDim } from "./blocks.ts";
