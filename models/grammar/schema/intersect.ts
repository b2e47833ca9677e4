/**
 * What two branches have in common.
 *
 * @module
 */
import { type Bound, equal, type ValueBranch } from "./branch.ts";

/** Does a branch allow a value? */
export type Allows = (branch: ValueBranch, value: unknown) => boolean;

/** The values that both branches allow; undefined: they have different types, or no value. */
export function intersectBranches(
  a: ValueBranch,
  b: ValueBranch,
  allows: Allows,
): ValueBranch | undefined {
  if (a.type === "literal") {
    const same = b.type === "literal" ? equal(a.value, b.value) : allows(b, a.value);
    return same ? a : undefined;
  }
  if (b.type === "literal") return allows(a, b.value) ? b : undefined;
  if (a.type === "number" && b.type === "number") {
    return {
      ...a,
      integer: a.integer || b.integer,
      min: tighter(a.min, b.min, (x, y) => x > y),
      max: tighter(a.max, b.max, (x, y) => x < y),
      multiples: [...new Set([...a.multiples, ...b.multiples])],
    };
  }
  if (a.type === "string" && b.type === "string") {
    return { ...a, ...counts(a, b), checks: [...a.checks, ...b.checks] };
  }
  if (a.type === "array" && b.type === "array") {
    return {
      ...a,
      ...counts(a, b),
      layers: [...a.layers, ...b.layers],
      contains: [...a.contains, ...b.contains],
      unique: a.unique || b.unique,
    };
  }
  if (a.type === "object" && b.type === "object") {
    return {
      ...a,
      ...counts(a, b),
      required: a.required.union(b.required),
      layers: [...a.layers, ...b.layers],
      names: [...a.names, ...b.names],
    };
  }
  return a.type === b.type ? a : undefined;
}

interface Counted {
  least: number;
  most: number;
}

const counts = (a: Counted, b: Counted): Counted => ({
  least: Math.max(a.least, b.least),
  most: Math.min(a.most, b.most),
});

function tighter(
  a: Bound | undefined,
  b: Bound | undefined,
  inside: (x: number, y: number) => boolean,
): Bound | undefined {
  if (!a || !b) return a ?? b;
  if (a.value === b.value) return { value: a.value, open: a.open || b.open };
  return inside(a.value, b.value) ? a : b;
}
