/**
 * Addresses of stages.
 *
 * @module
 */
import { type Address, address } from "../system/mod.ts";

/** Key of the stage that has the whole model, beside the stages of the pipeline. */
export const SOLO = "solo";

/**
 * Address of a deployment's stage with this index, 0 for the first, or of its stage with the whole
 * model.
 */
export const stageAddress = (deployment: string, index: number | typeof SOLO): Address =>
  address(deployment, "stage", String(index));
