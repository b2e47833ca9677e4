/**
 * Compares arrays in the measure in which tolerances are stated.
 *
 * @module
 */
import assert from "node:assert/strict";

/**
 * Largest absolute difference divided by the largest magnitude of the reference; NaN counts as
 * infinite.
 */
export function relativeError(actual: ArrayLike<number>, reference: ArrayLike<number>): number {
  assert.equal(actual.length, reference.length, "lengths differ");
  let error = 0;
  let largest = 0;
  for (let i = 0; i < reference.length; i++) {
    const difference = Math.abs(actual[i] - reference[i]);
    if (!(difference <= error)) error = Number.isNaN(difference) ? Infinity : difference;
    largest = Math.max(largest, Math.abs(reference[i]));
  }
  return error === 0 ? 0 : error / largest;
}

/** Fails if the relative error exceeds the limit, with both numbers. */
export function assertClose(
  actual: ArrayLike<number>,
  reference: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  const error = relativeError(actual, reference);

  assert.ok(
    error <= tolerance,
    `${what}: relative error ${error.toExponential(2)} is above ${tolerance}`,
  );
}

/** Rows `picked` of (n, width). */
export function pickRows(
  values: Float32Array | Float64Array,
  picked: number[],
  width: number,
): Float64Array {
  return Float64Array.from(
    picked.flatMap((row) => [...values.subarray(row * width, (row + 1) * width)]),
  );
}
