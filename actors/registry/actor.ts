/**
 * Registry actor: lets nodes that do not open the registry themselves use that of the coordinator.
 *
 * Each message is an operation of the interface `Registry`, whose answer is that operation's
 * result. All handlers run beside each other: the registry itself orders what must be ordered. Which
 * keys a member may name is said in `access.ts`, and which leases in `member_leases.ts`.
 *
 * @module
 */
import { z } from "zod";
import { readsShared, writesOwn } from "./access.ts";
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
import { leaseLost } from "./errors.ts";
import { MemberLeases } from "./member_leases.ts";

/** Longest time for which a `watch` waits for news, milliseconds. */
export const WATCH_WAIT_MS = 10_000;

/** First part of the address; that of the cluster's other actors. */
const SYSTEM = "orrery";
const key = z.string();
const version = z.int().nonnegative();
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array);

/** Address of the registry at the coordinator. */
export const REGISTRY: Address = address(SYSTEM, "registry", "main");

/** The registry actor; see the module's text. Resource `registry`: the registry that it offers. */
export const registryActor = defineActor({
  kind: "registry",
  deployment: SYSTEM,
  config: z.object({
    /** May a node use the leases that it took alone? Tests of the interface have no members. */
    ownLeases: z.boolean().default(true),
  }),
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
  callers: {
    get: readsShared,
    list: readsShared,
    transact: writesOwn,
    grant: anyNode,
    keep_alive: anyNode, // of leases that it took, see below
    revoke: anyNode,
    watch: readsShared,
  },
  // A renewal that waits behind other work comes too late.
  urgent: ["keep_alive"],
  concurrent: ["get", "list", "transact", "grant", "keep_alive", "revoke", "watch"],
  create(ctx, { ownLeases }) {
    const registry = ctx.resource<Registry>("registry");
    const running = new Map<string, Promise<TransactionResult>>();
    const leases = new MemberLeases(registry, ctx);
    /** The asking node; undefined: it is this one, which may use every lease. */
    const asker = ({ peer }: MessageMeta) => ownLeases ? peer : undefined;
    const checkLease = async (lease: string, meta: MessageMeta) => {
      const node = asker(meta);
      if (node !== undefined && !await leases.has(node, lease)) throw leaseLost(lease);
    };
    return {
      get: async ({ key }, meta) => await registry.get(key, limits(ctx, meta)) ?? null,
      list: ({ prefix }, meta) => registry.list(prefix, limits(ctx, meta)),
      async transact(transaction, meta): Promise<TransactionResult> {
        for (const { lease } of transaction.sets) {
          if (lease !== undefined) await checkLease(lease, meta);
        }
        // It goes on when an asker has waited long enough: asked again, he gets the same result.
        const id = `${meta.peer ?? ""} ${transaction.id}`;
        let result = running.get(id);
        if (!result) {
          running.set(id, result = registry.transact(transaction));
          const over = () => void running.delete(id);
          result.then(over, over);
        }
        return await result;
      },
      async grant({ ttl_ms }, meta) {
        const node = asker(meta);
        if (node !== undefined) leases.checkRoom(node);
        const granted = await registry.grant(ttl_ms, limits(ctx, meta));
        if (node !== undefined) leases.granted(node, granted);
        return granted;
      },
      async keep_alive({ lease }, meta) {
        await checkLease(lease, meta);
        await registry.keepAlive(lease, limits(ctx, meta));
      },
      async revoke({ lease }, meta) {
        const node = asker(meta);
        if (node !== undefined && !await leases.has(node, lease)) return; // it may have lapsed
        await registry.revoke(lease, limits(ctx, meta));
        if (node !== undefined) leases.ended(node, lease);
      },
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
