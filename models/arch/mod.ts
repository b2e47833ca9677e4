/**
 * Architectures: the config.json of a supported family becomes a geometry and a list of tensors.
 *
 * @module
 */
export type {
  Architecture,
  ColumnRuns,
  RowsWithin,
  TensorPlan,
  TensorRole,
  TensorSpec,
} from "./architecture.ts";
export type { ModelConfig } from "./config.ts";
export { ARCHITECTURES, describe, type Described, type DescribeOptions } from "./describe.ts";
export { type FusedNames, fusedTensors } from "./fused.ts";
export { type Packing, precisionOf } from "./packing.ts";
export {
  hasAttention,
  hasConvolution,
  hasExperts,
  hasMixer,
  hasMlp,
  hasRecurrence,
  layerTensors,
  recurrenceChannels,
} from "./tensors.ts";
export { textTensorName, WRAPPERS } from "./text_part.ts";
