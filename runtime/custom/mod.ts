/**
 * Custom actors: modules written by users, which a graph file names. Each activation runs in a
 * worker of its own, with the permissions of its entry in the graph file.
 *
 * @module
 */
export {
  ActorHome,
  type ActorHomeOptions,
  homeActor,
  type HostRequest,
  moduleKey,
} from "./actor_home.ts";
export { type ActorOrder, actorOrderSchema } from "./actor_order.ts";
export { CustomActors, type LoadOptions } from "./custom_actors.ts";
export { followHomes } from "./follow_homes.ts";
export type { HostParts, KnownHomes } from "./hosted_actor.ts";
export type { SparedActor } from "./load_actor.ts";
export type { EntryActor } from "./load_entry.ts";
export { type ModuleBundle, type PackedModule, packModule } from "./module_bundle.ts";
export { askExposedActor } from "./ask_exposed_actor.ts";
export { FlowGenerator, type FlowOptions } from "./flow_generator.ts";
export { modelActor } from "./model_actor.ts";
