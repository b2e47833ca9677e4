/**
 * Durable actors: keeps states, alarms and answers of actors in the cluster's registry, under the
 * epoch of the activation that wrote them.
 *
 * The actor system decides what is saved and when (`actors/system/durable_memory.ts`). Here stands
 * how: `durable_states.ts` writes for whoever owns an address, `durable_store.ts` makes a store for
 * a system that is alone.
 *
 * @module
 */
export * from "./durable_states.ts";
export * from "./durable_store.ts";
export * from "./owner.ts";
export { decodeKept, encodeKept } from "./record.ts";
