/**
 * The memory of a cluster that ends with its cluster actor.
 *
 * @module
 */
import type { ClusterMemory } from "../../actors/mod.ts";

/** Remembers nothing. */
export const NO_MEMORY: ClusterMemory = {
  past: { members: [], others: [] },
  planned: () => Promise.resolve(),
  serves: () => Promise.resolve(),
  retired: () => Promise.resolve(),
};
