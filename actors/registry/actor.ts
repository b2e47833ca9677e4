/**
 * Registry actor: lets other nodes use the registry that is embedded in the first node.
 *
 * Each message is an operation of the interface `Registry`, whose answer is that operation's
 * result. All handlers run beside each other: the registry itself orders what must be ordered.
 *
 * @module
 */
import { z } from "zod";
import {
  type ActorContext,
  type Address,
  address,
  anyNode,
  defineActor,
  type MessageMeta,
} from "../system/mod.ts";
import {
  MAX_CHANGES,
  MAX_CHECKS,
  type Registry,
  type RegistryChanges,
  type RegistryOptions,
  type TransactionResult,
} from "./contract.ts";

/** Longest time for which a `watch` waits for news, milliseconds. */
export const WATCH_WAIT_MS = 10_000;

/** First part of the address; that of the cluster's other actors. */
const SYSTEM = "orrery";
const key = z.string();
const version = z.int().nonnegative();
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array);

/** Address of the registry at the first node. */
export const REGISTRY: Address = address(SYSTEM, "registry", "main");

/** The registry actor; see the module's text. Resource `registry`: the registry that it offers. */
export const registryActor = defineActor({
  kind: "registry",
  deployment: SYSTEM,
  config: z.object({}),
  messages: {
    /** See {@linkcode Registry.get}; null: there is no such key. */
    get: z.object({ key }),
    /** See {@linkcode Registry.list}. */
    list: z.object({ prefix: key }),
    /** See {@linkcode Registry.transact}. The id is required: the asker may have to repeat it. */
    transact: z.object({
      id: z.string(),
      checks: z.array(z.object({ key, version })).max(MAX_CHECKS),
      sets: z.array(
        z.object({ key, value: bytes, lease: z.string().optional() }),
      )
        .max(MAX_CHANGES),
      deletes: z.array(key).max(MAX_CHANGES),
    }),
    /** See {@linkcode Registry.grant}. */
    grant: z.object({ ttl_ms: z.number().positive() }),
    /** See {@linkcode Registry.keepAlive}. */
    keep_alive: z.object({ lease: z.string() }),
    /** See {@linkcode Registry.revoke}. */
    revoke: z.object({ lease: z.string() }),
    /**
     * The first changes after revision `from`, see {@linkcode Registry.watch}; after `wait_ms`
     * without any, none. The asker asks again from the revision of the answer.
     */
    watch: z.object({
      prefix: key,
      from: version,
      wait_ms: z.number().nonnegative().max(WATCH_WAIT_MS),
    }),
  },
  callers: anyNode, // every member keeps its part of the cluster's state here
  concurrent: ["get", "list", "transact", "grant", "keep_alive", "revoke", "watch"],
  create(ctx) {
    const registry = ctx.resource<Registry>("registry");
    const running = new Map<string, Promise<TransactionResult>>();
    return {
      get: async ({ key }, meta) => await registry.get(key, limits(ctx, meta)) ?? null,
      list: ({ prefix }, meta) => registry.list(prefix, limits(ctx, meta)),
      transact(transaction): Promise<TransactionResult> {
        // It goes on when an asker has waited long enough: asked again, he gets the same result.
        const { id } = transaction;
        let result = running.get(id);
        if (!result) {
          running.set(id, result = registry.transact(transaction));
          const over = () => void running.delete(id);
          result.then(over, over);
        }
        return result;
      },
      grant: ({ ttl_ms }, meta) => registry.grant(ttl_ms, limits(ctx, meta)),
      keep_alive: ({ lease }, meta) => registry.keepAlive(lease, limits(ctx, meta)),
      revoke: ({ lease }, meta) => registry.revoke(lease, limits(ctx, meta)),
      async watch({ prefix, from, wait_ms }, meta): Promise<RegistryChanges> {
        const waited = new AbortController();
        const cancel = ctx.after(wait_ms, () => waited.abort());
        const signal = AbortSignal.any([meta.signal, waited.signal]);
        try {
          for await (const changes of registry.watch(prefix, { from, signal })) return changes;
          return { revision: from, changes: [] };
        } finally {
          cancel();
        }
      },
    };
  },
});

/** The asker's deadline and signal. */
function limits(ctx: ActorContext, { deadline, signal }: MessageMeta): RegistryOptions {
  return {
    signal,
    deadlineMs: deadline === undefined ? undefined : Math.max(1, deadline - ctx.now()),
  };
}
