/**
 * Quality of quantised models: calibrates q4 while a model is converted, and measures how far each
 * way of storing a model is from what it was made from. Both run a model layer by layer, in the
 * memory of one layer.
 *
 * @module
 */
export { calibrate, type CalibrateOptions } from "./calibrate.ts";
export { type Divergence } from "./divergence.ts";
export {
  measureQuality,
  type QualityOptions,
  type QualityReport,
  type QualityRow,
} from "./measure.ts";
