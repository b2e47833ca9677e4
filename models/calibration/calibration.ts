/**
 * What a conversion must know of a layer's inputs to quantise it so that its outputs change least.
 *
 * @module
 */
import { factorOf, type WindowFactor } from "./factor.ts";

/** Version of the calibrated bytes, part of a model's source hash: raise it when they change. */
export const CALIBRATION_VERSION = 3;

/**
 * Inputs of a window, a multiple of every block. A larger one leaves less of the errors and takes
 * longer: docs/performance.md has both.
 */
export const GRAM_WINDOW = 512;

/** The Gram matrix of what some projections of a layer read, in windows on its diagonal. */
export interface Gram {
  /** The projections, by their short names in the layer's group. */
  keys: string[];
  /** Of projections of experts: the expert whose rows these are. @default all rows of the layer */
  expert?: number;
  /** Rows that were read. */
  rows: number;
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

/** The factors of the windows of a projection. */
export type FactorWindows = () => readonly WindowFactor[];

/**
 * The factors of each projection, by its short name in the layer's group: one for all its rows, or,
 * of projections of experts, one for the rows of each expert. They are computed when they are asked
 * for, since those of many experts would fill the memory.
 */
export type Factors = ReadonlyMap<string, readonly FactorWindows[]>;

/** Factors a layer's Gram matrices. */
export function factorsOf(grams: readonly Gram[]): Factors {
  const factors = new Map<string, FactorWindows[]>();
  for (const { keys, windows, expert, rows } of grams) {
    const compute = () =>
      windows.map(({ first, size, values }) => factorOf(values, { first, size, rows }));
    if (expert === undefined) {
      let found: WindowFactor[] | undefined;
      for (const key of keys) factors.set(key, [() => found ??= compute()]);
      continue;
    }
    for (const key of keys) {
      const experts = factors.get(key) ?? [];
      experts[expert] = compute;
      factors.set(key, experts);
    }
  }
  return factors;
}
