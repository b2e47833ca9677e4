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

/** The same, and each stage takes a byte: nodes with one byte of memory have room for one stage. */
export const FULL_NODES: DeploymentSources = {
  ...NO_SOURCES,
  main: {
    ...NO_SOURCES.main,
    bytesAt({ stages }) {
      const bytes = new Map<string, number>();
      for (const { node } of stages) bytes.set(node, (bytes.get(node) ?? 0) + 1);
      return bytes;
    },
  },
};
