/**
 * The planned part of a deployment, and who plans it.
 *
 * @module
 */
import type { Deployment, Member } from "./deployment.ts";

/**
 * Which layers go to which member, and how requests run on them: the part of a deployment that is
 * planned.
 */
export type DeploymentPlacement =
  & Pick<Deployment, "stages" | "head" | "solo" | "draft" | "plan" | "flow">
  & Partial<Pick<Deployment, "shape">>;

/** Options of {@linkcode PlaceDeployment}. */
export interface PlaceOptions {
  /** Fires when the placement is not wanted any more. */
  signal: AbortSignal;
  /** Reports what is being done. */
  say(reason: string): void;
  /** Bytes that other deployments take at nodes, by id. @default none */
  taken?: ReadonlyMap<string, number>;
  /** Does nothing serve yet, so that estimates do until nodes have measured themselves? @default false */
  quick?: boolean;
  /** Is it only to be shown, so that nothing is to be changed for it? @default false */
  dry?: boolean;
}

/**
 * Resource `place` of the cluster actor: makes a placement for these members. Throws where it
 * cannot. It may take long, because nodes and links are measured; `say` reports what it is doing.
 * The signal fires when the actor stops.
 */
export type PlaceDeployment = (
  members: Member[],
  options: PlaceOptions,
) => DeploymentPlacement | Promise<DeploymentPlacement>;

/** What is loaded where, as text, to compare placements. */
export const loads = ({ stages, head, solo, draft }: DeploymentPlacement): string =>
  JSON.stringify([stages, head, solo, draft]);

/** Whether a deployment is of this model. */
export const isModel = (
  { model, manifest_sha256 }: Deployment,
  other: Pick<Deployment, "model" | "manifest_sha256">,
): boolean =>
  model === other.model &&
  (manifest_sha256 ?? other.manifest_sha256) === (other.manifest_sha256 ?? manifest_sha256);
