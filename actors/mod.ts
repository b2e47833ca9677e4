/**
 * Actors: what the system is made of. Behaviour only; effects go through `ctx`.
 *
 * One folder a role. Arrows run one way: system <- registry <- ownership <- durable, and system <- outline <- pipeline <-
 * graph <- cluster <- arbiter <- generation. The journal stands on registry and cluster.
 *
 * @module
 */
export * from "./system/mod.ts";
export * from "./registry/mod.ts";
export * from "./ownership/mod.ts";
export * from "./durable/mod.ts";
export * from "./outline/mod.ts";
export * from "./pipeline/mod.ts";
export * from "./graph/mod.ts";
export * from "./cluster/mod.ts";
export * from "./journal/mod.ts";
export * from "./arbiter/mod.ts";
export * from "./generation/mod.ts";
