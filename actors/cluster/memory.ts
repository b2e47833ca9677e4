/**
 * What a cluster keeps beyond the life of its cluster actor, so that another coordinator goes on
 * where the last one stopped.
 *
 * @module
 */
import type { CopyName } from "./copy_name.ts";
import type { Deployment, Member } from "./deployment.ts";
import type { AskedDeployment } from "./deployment_source.ts";

/** What the coordinators before this one left. */
export interface ClusterPast {
  /** Nodes that were members and seem to live: they are waited for. */
  members: Member[];
  /** The deployment of the default name that served last; undefined: none did. */
  serving?: Deployment;
  /** Those of other names and copies. @default none */
  named?: Deployment[];
  /** What was applied. @default nothing */
  applied?: AskedDeployment[];
  /** Further deployments whose stages may still be loaded. */
  others: Deployment[];
}

/**
 * Resource `memory` of the cluster actor. A write resolves once it is kept for certain. It rejects
 * only when this node is no longer the coordinator.
 */
export interface ClusterMemory {
  /** What is remembered. */
  readonly past: ClusterPast;
  /** A deployment is about to be loaded. */
  planned(deployment: Deployment): Promise<void>;
  /** A deployment is about to be adopted; undefined: none serves of this name and copy. */
  serves(deployment: Deployment | undefined, of: CopyName): Promise<void>;
  /** Something is deployed under a name. */
  applied(asked: AskedDeployment): Promise<void>;
  /** Nothing is deployed under this name any more. */
  deleted(name: string): Promise<void>;
  /** The stages of a deployment are gone. */
  retired(id: string): Promise<void>;
}
