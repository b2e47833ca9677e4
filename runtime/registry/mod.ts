/**
 * The registry's back ends: Deno KV embedded in a node, a denokv server, etcd. All are used through
 * the interface `Registry` of `actors/registry/`, and judged by one suite,
 * `tests/support/registry_suite.ts`.
 *
 * A store (`store.ts`) keeps small values; `chunked_registry.ts` makes a registry of it.
 *
 * @module
 */
export * from "./open_kv.ts";
export * from "./open_registry.ts";
