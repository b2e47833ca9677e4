/**
 * The memory of a cluster that ends with its cluster actor.
 *
 * @module
 */
import {
  type ClusterMemory,
  deploymentPolicySchema,
  type DeploymentSources,
} from "../../actors/mod.ts";

/** Remembers nothing. */
export const NO_MEMORY: ClusterMemory = {
  past: { members: [], others: [] },
  planned: () => Promise.resolve(),
  serves: () => Promise.resolve(),
  retired: () => Promise.resolve(),
  applied: () => Promise.resolve(),
  deleted: () => Promise.resolve(),
};

/** Nothing can be applied; what the cluster was started with is one copy, whose bytes nobody counts. */
export const NO_SOURCES: DeploymentSources = {
  main: { policy: deploymentPolicySchema.parse({}), concurrent: 1, bytesAt: () => new Map() },
  open: () => Promise.reject(new Error("nothing can be applied here")),
};
