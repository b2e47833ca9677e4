/**
 * Custom actors: modules written by users, which a graph file names. Each activation runs in a
 * worker of its own, with the permissions of its entry in the graph file.
 *
 * @module
 */
export { CustomActors, type LoadOptions } from "./custom_actors.ts";
export { askExposedActor } from "./ask_exposed_actor.ts";
export { FlowGenerator, type FlowOptions } from "./flow_generator.ts";
export { modelActor } from "./model_actor.ts";
