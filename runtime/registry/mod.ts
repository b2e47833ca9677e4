/**
 * The registry's back ends: Deno KV embedded in a node, a denokv server, etcd. All are used through
 * the interface `Registry` of `actors/registry/`, and judged by one suite,
 * `tests/support/registry_suite.ts`.
 *
 * A store (`store.ts`) keeps small values; `chunked_registry.ts` makes a registry of it.
 *
 * @module
 */
export { copyRegistry, type CopyRegistryOptions } from "./copy_registry.ts";
export { EtcdClient, EtcdError } from "./etcd_client.ts";
export type { EtcdAddress } from "./etcd_url.ts";
export * from "./open_kv.ts";
export * from "./open_registry.ts";
export { pause } from "./patience.ts";
