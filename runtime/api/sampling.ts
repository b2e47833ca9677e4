/**
 * Sampling, from any dialect's fields.
 *
 * @module
 */
import type { Sampling } from "../../actors/mod.ts";
import { SAMPLING_FIELDS } from "./generator.ts";

/** The sampling fields that a request has. */
export function samplingOf(
  fields: Partial<Record<typeof SAMPLING_FIELDS[number], number | null>>,
): Partial<Sampling> {
  const sampling: Partial<Sampling> = {};
  for (const key of SAMPLING_FIELDS) {
    const value = fields[key];
    if (value !== null && value !== undefined) sampling[key] = value;
  }
  return sampling;
}

/** A seed of 32 bits; one that is left out is drawn at random. `k`: number of the choice. */
export function seedOf(seed: number | null | undefined, k = 0): number {
  const first = seed ?? crypto.getRandomValues(new Uint32Array(1))[0];
  return Number(BigInt.asUintN(32, BigInt(first) + BigInt(k)));
}
