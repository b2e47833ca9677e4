/**
 * What a copy of a deployment is made from, and how it is.
 *
 * @module
 */
import type { CopyName } from "./copy_name.ts";
import type { Deployment } from "./deployment.ts";
import type { DeploymentSource } from "./deployment_source.ts";
import type { ClusterMemory } from "./memory.ts";
import type { PlaceDeployment } from "./placement.ts";
import type { Roster } from "./roster.ts";

/** What a copy is made from: {@linkcode DeploymentSource}, as far as it is used here. */
export type CopySource = Pick<DeploymentSource, "model" | "bytesAt"> & { place: PlaceDeployment };

/** Options of a {@linkcode DeploymentCopy}. */
export interface DeploymentCopyOptions {
  /** Which copy of which deployment it is. */
  of: CopyName;
  /** Number of members to wait for before the first placement. */
  nodes: number;
  /** What is deployed. */
  source: CopySource;
  /** The members of the cluster. */
  roster: Roster;
  /** What outlives the actor. */
  memory: ClusterMemory;
  /** What the term before has left of it. */
  past: { serving?: Deployment; others: readonly Deployment[] };
  /** Whether members of the term before are still waited for: nothing is placed until then. */
  waits: () => boolean;
  /** Makes the id of a new deployment, which no other has or had. */
  newId: () => string;
  /** Milliseconds in which a member must answer, and after which it is asked again. */
  answerMs: number;
  retryMs: number;
  /** Milliseconds that a node may take to fetch and load its stages. */
  prepareMs: number;
}

/** How a copy is. */
export type CopyState = "serving" | "asleep" | "loading" | "failed" | "waiting";
