/**
 * Custom actors: modules of users that a graph file names, in workers of their own.
 *
 * @module
 */
export { CustomActors, type LoadOptions } from "./custom_actors.ts";
export { askDoor } from "./door.ts";
export { FlowGenerator, type FlowOptions } from "./flow_generator.ts";
export { modelActor } from "./model_actor.ts";
