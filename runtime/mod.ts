/**
 * Runtime: everything that touches the world. Start a node from code with {@linkcode startNode}.
 *
 * @module
 */
export * from "./api/mod.ts";
export * from "./engine/mod.ts";
export { systemClock } from "../actors/mod.ts";
export * from "./mailbox/mod.ts";
export { openRegistry, type OpenRegistryOptions } from "./registry/mod.ts";
export { EMBEDDED, type Node, type NodeOptions, startNode } from "./node.ts";
