/**
 * Models from a hub: finds a repository, downloads its files (resumed, with checked hashes) and
 * adds them to the store.
 *
 * @module
 */
export { addFromHub, type AddFromHubOptions } from "./add.ts";
export { HubModel, type HubOptions, type HubProgress, type HubSpec, parseHubSpec } from "./hub.ts";
