/**
 * Models from a hub: resolve a repository, download its files (resumed, hash-checked), add them to
 * the store.
 *
 * @module
 */
export { addFromHub, type AddFromHubOptions } from "./add.ts";
export { HubModel, type HubOptions, type HubProgress, type HubSpec, parseHubSpec } from "./hub.ts";
