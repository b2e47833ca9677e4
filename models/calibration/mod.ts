/**
 * Calibrated quantisation: weights in q4 that make up for each other's errors on the rows of a
 * built-in text. It needs what the projections read, which `runtime/quality/` finds out by running
 * the layers.
 *
 * @module
 */
export {
  type Calibration,
  CALIBRATION_VERSION,
  type Factors,
  factorsOf,
  type FactorWindows,
  type Gram,
  GRAM_WINDOW,
} from "./calibration.ts";
export { quantiseCompensated } from "./compensate.ts";
export { builtInPassages, type Passage, passagesOf, type TextUse } from "./texts.ts";
