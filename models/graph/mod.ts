/**
 * Stage graphs: ONNX for any layer range of a converted model. Start with `contract.ts`, the inputs
 * and outputs by which the engine feeds a graph; then `stage.ts`, which builds one from top to
 * bottom, layer by layer (`layer.ts`).
 *
 * - a graph and its file: `stage.ts`, `split_stage.ts`, `builder.ts`, `onnx.ts`, `nodes_at.ts`
 * - a layer and its parts: `layer.ts`, `blocks.ts`, `attention.ts`, `latent.ts`, `activation.ts`,
 *   `experts.ts`
 * - in place of attention or beside it: `convolution.ts`; `recurrence.ts` by `mamba.ts` or
 *   `delta_rule.ts`
 * - the LM head: `head.ts`
 * - what an arena keeps of a row: `row_caches.ts`
 * - for measurements: `grams.ts`, `rounded_cache.ts`
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
  stateCaches,
  stateElements,
  windowOf,
} from "./row_caches.ts";
