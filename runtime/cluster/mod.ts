/**
 * A node in its cluster: its membership, the deployments that it runs stages of, the directory of
 * actors, and, on the first node, the placement of layers.
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
