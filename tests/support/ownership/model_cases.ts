/**
 * Sizes of the model that are searched.
 *
 * @module
 */
import type { ModelSize } from "./model.ts";

/** Small enough for every run of the tests: two nodes, and one node with many wakes. */
export const QUICK_CASES: ModelSize[] = [
  { nodes: 1, ticks: 1, adds: 3, wakes: 3, claims: 1, losses: 1 },
  { nodes: 2, ticks: 3, adds: 1, wakes: 1, claims: 1, losses: 1 },
];

/** For `deno task check:ownership`. */
export const LARGE_CASES: ModelSize[] = [
  ...QUICK_CASES,
  { nodes: 2, ticks: 4, adds: 2, wakes: 1, claims: 1, losses: 1 },
  { nodes: 2, ticks: 3, adds: 1, wakes: 2, claims: 2, losses: 1 },
  { nodes: 3, ticks: 3, adds: 1, wakes: 1, claims: 1, losses: 0 },
];
