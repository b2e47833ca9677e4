/**
 * A node in its cluster: its membership, the deployments that it runs stages of, the directory of
 * actors, and, on the first node, the placement of layers.
 *
 * - joining, following, leaving: `membership.ts`, `coordinator_watch.ts`, `first_silence.ts`
 * - at which address: `listen.ts`, `own_address.ts`, `local_address.ts`, `addresses.ts`
 * - where actors live: `directory.ts`, `actor_homes.ts`
 * - what the cluster tells a node to do: `deployment_host.ts`, `prepared_models.ts`,
 *   `moving_parts.ts`
 * - loading engines: `stage_loader.ts`, `engines_to_load.ts`, `draft_to_load.ts`,
 *   `warm_engines.ts`, `room_of.ts`
 * - placing layers, by what is measured: `gather_profiles.ts`, `likely_profile.ts`, `link_watch.ts`,
 *   `link_table.ts`, `link_drift.ts`
 * - placing layers, by a plan: `placer.ts`, `plan_input.ts`, `plan_beside.ts`, `steady_plan.ts`,
 *   `move_policy.ts`
 *
 * @module
 */
export { checkJoin } from "./addresses.ts";
export { OwnAddress } from "./own_address.ts";
export { logHealth } from "./coordinator_watch.ts";
export { ActorHomes } from "./actor_homes.ts";
export { ClusterDirectory, isCoordinators, isHosted } from "./directory.ts";
export { DeploymentHost, type DeploymentHostOptions } from "./deployment_host.ts";
export { type FetchListeners, fetchReports } from "./fetch_reports.ts";
export { FirstSilence } from "./first_silence.ts";
export type { LinkNow } from "./link_table.ts";
export { listen, type ListenOptions, newNodeId } from "./listen.ts";
export {
  EngineLoader,
  type EngineLoaderOptions,
  type LayersAtNode,
  type LoadedLayers,
  type StageLoader,
} from "./stage_loader.ts";
export { modelsFrom, type ModelsOfDeployments } from "./prepared_models.ts";
export { type FindWithin, memberOf, Membership, type MembershipOptions } from "./membership.ts";
export {
  contextKvBytes,
  draftSeconds,
  fitting,
  LOADED_SHARE,
  meanKvBytes,
  meansNode,
  modelShape,
  withDefaults,
} from "./plan_input.ts";
export { placementBytes } from "./placement_bytes.ts";
export { planAs } from "./plan_as.ts";
export { Placer, type PlacerOptions } from "./placer.ts";
