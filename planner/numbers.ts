/**
 * Numbers as text for people, and rounded for stable output.
 *
 * @module
 */

/** Significant digits of the numbers in a plan. */
const DIGITS = 6;

/**
 * A copy of the value in which every number that is not whole is rounded to six significant digits.
 */
export function rounded<T>(value: T): T {
  if (typeof value === "number") {
    return (Number.isInteger(value) || !Number.isFinite(value)
      ? value
      : Number(value.toPrecision(DIGITS))) as T;
  }
  if (Array.isArray(value)) return value.map(rounded) as T;
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, rounded(inner)]),
  ) as T;
}

/** Seconds as text: `68.0 ms`, `1.23 s`. */
export function duration(seconds: number): string {
  if (seconds >= 1) return `${digits(seconds)} s`;
  return seconds >= 1e-3 || seconds === 0
    ? `${digits(seconds * 1e3)} ms`
    : `${digits(seconds * 1e6)} µs`;
}

/** Bytes as text: `1.23 GB`. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (step < units.length - 1 && Math.abs(bytes) / 1000 ** step >= 999.5) step++;
  return step === 0 ? `${Math.round(bytes)} B` : `${digits(bytes / 1000 ** step)} ${units[step]}`;
}

/** A range of layers as text: `layer 3` or `layers 0-11`. */
export function layersText(first: number, last: number): string {
  return first === last ? `layer ${first}` : `layers ${first}-${last}`;
}

/** A number with three significant digits and no exponent. */
function digits(value: number): string {
  if (value === 0) return "0";
  const places = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(places, 6));
}
