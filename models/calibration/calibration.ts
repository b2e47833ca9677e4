/**
 * What a conversion must know of a layer's inputs to quantise it so that its outputs change least.
 *
 * @module
 */
import { factorOf, type WindowFactor } from "./factor.ts";

/** Version of the calibrated bytes, part of a model's source hash: raise it when they change. */
export const CALIBRATION_VERSION = 1;

/**
 * Inputs of a window, a multiple of every block. A larger one leaves less of the errors and takes
 * longer: docs/performance.md has both.
 */
export const GRAM_WINDOW = 512;

/** The Gram matrix of what some projections of a layer read, in windows on its diagonal. */
export interface Gram {
  /** The projections, by their short names in the layer's group. */
  keys: string[];
  /** f32 (size, size), from input `first` on. */
  windows: { first: number; size: number; values: Float32Array }[];
}

/** Runs texts through the layers of a model that is being converted. */
export interface Calibration extends AsyncDisposable {
  /**
   * What the projections of this layer read over all texts. It must be called for every layer, from
   * 0 on. `wanted` false: the layer was converted before, and only the texts go through it.
   */
  layer(number: number, wanted: boolean): Promise<Gram[]>;
}

/** The factors of the windows of each projection, by its short name in the layer's group. */
export type Factors = ReadonlyMap<string, WindowFactor[]>;

/** Factors a layer's Gram matrices. */
export function factorsOf(grams: readonly Gram[]): Factors {
  const factors = new Map<string, WindowFactor[]>();
  for (const { keys, windows } of grams) {
    const found = windows.map(({ first, size, values }) => factorOf(values, first, size));
    for (const key of keys) factors.set(key, found);
  }
  return factors;
}
