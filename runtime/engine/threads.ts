/**
 * How many threads an engine has where the user does not say.
 *
 * @module
 */

/**
 * Stages with fewer bytes of weights run on one thread: handing work to a second thread costs them
 * more than it gains (`deno task bench:engine`).
 */
const SMALL_STAGE_BYTES = 64 * 2 ** 20;

/** Threads for an engine with so many bytes of weights: 1 for a small stage, else one per core. */
export function usualThreads(weightBytes: number): number {
  return weightBytes < SMALL_STAGE_BYTES ? 1 : navigator.hardwareConcurrency;
}
