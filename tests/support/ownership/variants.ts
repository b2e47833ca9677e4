/**
 * Ownership, broken on purpose: each variant puts something else in the place of one part of the
 * product. The checks of the simulated world must notice every one of them.
 *
 * @module
 */
import {
  COORDINATOR_KEY,
  hasCode,
  type Ownership,
  type Registry,
  type RegistryEntry,
  type RegistryOptions,
  type RegistryTransaction,
  type TransactionResult,
} from "../../../actors/mod.ts";
import type { SimulatedNode } from "./node.ts";
import { TTL_MS } from "./setting.ts";
import type { Variant } from "./world.ts";

/** A variant, and what shows that it is broken. */
export interface BrokenVariant {
  /** What is missing. */
  name: string;
  /** The first seed that shows it. */
  seed: number;
  /** What is seen there. */
  shows: RegExp;
  /** Made for each run, as a variant may remember things. */
  make(): Variant;
}

/** A registry with some operations replaced. */
function changed(registry: Registry, changes: Partial<Registry>): Registry {
  return {
    get: (key, o) => registry.get(key, o),
    list: (prefix, o) => registry.list(prefix, o),
    transact: (transaction, o) => registry.transact(transaction, o),
    grant: (ttlMs, o) => registry.grant(ttlMs, o),
    keepAlive: (lease, o) => registry.keepAlive(lease, o),
    revoke: (lease, o) => registry.revoke(lease, o),
    watch: (prefix, o) => registry.watch(prefix, o),
    close: () => registry.close(),
    ...changes,
  };
}

const ofNode = (key: string): boolean => key.startsWith("owners/node/");
const ofAddress = (key: string): boolean => key.startsWith("owners/") && !ofNode(key);

/** Without the checks whose keys fit. */
const unchecked = (registry: Registry, fits: (key: string, t: RegistryTransaction) => boolean) =>
  changed(registry, {
    transact: (t, o) =>
      registry.transact({ ...t, checks: t.checks?.filter(({ key }) => !fits(key, t)) }, o),
  });

/** A write whose outcome is not known counts as this; undefined: as what it is. */
const assumed = (
  registry: Registry,
  outcome: (transaction: RegistryTransaction) => TransactionResult | undefined,
) =>
  changed(registry, {
    async transact(transaction: RegistryTransaction, options?: RegistryOptions) {
      try {
        return await registry.transact(transaction, options);
      } catch (error) {
        const result = hasCode(error, "outcome_unknown") ? outcome(transaction) : undefined;
        if (result) return result;
        throw error;
      }
    },
  });

/**
 * Leases are judged by dates: a node writes until when its lease holds, by its own clock, and
 * others compare that with theirs.
 */
function comparedClocks(): Variant {
  const dates = new Map<string, number>();
  return {
    registry: (registry: Registry, { name, process: { clock } }: SimulatedNode) => {
      const renewed = () => void dates.set(`owners/node/${name}`, clock.now() + TTL_MS);
      return changed(unchecked(registry, (key) => ofNode(key)), {
        grant(ttlMs, o) {
          renewed();
          return registry.grant(ttlMs, o);
        },
        keepAlive(lease, o) {
          renewed();
          return registry.keepAlive(lease, o);
        },
        async get(key, o): Promise<RegistryEntry | undefined> {
          const entry = await registry.get(key, o);
          if (!ofNode(key) || key.endsWith(`/${name}`)) return entry;
          return (dates.get(key) ?? 0) < clock.now() ? undefined : entry;
        },
      });
    },
  };
}

/** Every broken variant. */
export const BROKEN: BrokenVariant[] = [
  {
    name: "no fence: a node acts on after its lease",
    seed: 12,
    shows: /is obeyed|read as/,
    make: () => ({
      ownership: ({ epoch }: Ownership) => ({
        epoch,
        signal: new AbortController().signal,
        certain: () => true,
      }),
    }),
  },
  {
    name: "a fence that waits for its timer",
    seed: 12,
    shows: /is obeyed|read as/,
    make: () => ({
      ownership: ({ epoch, signal }: Ownership) => ({
        epoch,
        signal,
        certain: () => !signal.aborted,
      }),
    }),
  },
  {
    name: "clocks of two nodes are compared",
    seed: 8,
    shows: /is obeyed/,
    make: comparedClocks,
  },
  {
    name: "a write without an answer counts as landed",
    seed: 4,
    shows: /after|two adds/,
    make: () => ({
      ledgerRegistry: (registry: Registry) => assumed(registry, () => ({ ok: true, revision: 0 })),
    }),
  },
  {
    name: "an epoch that a local wake does not advance",
    seed: 35,
    shows: /after|two adds/,
    make: () => ({ epochOf: ({ owner }) => owner * 2 ** 32 }),
  },
  {
    name: "claims that compare no version",
    seed: 56,
    shows: /is obeyed/,
    make: () => ({
      registry: (registry: Registry) =>
        unchecked(
          registry,
          (key, { sets }) => ofAddress(key) && (sets ?? []).some((s) => s.key === key),
        ),
    }),
  },
  {
    name: "an election that compares no version",
    seed: 9,
    shows: /disagree about the coordinator|is obeyed/,
    make: () => ({
      registry: (registry: Registry) =>
        unchecked(
          registry,
          (_, { sets }) => (sets ?? []).some(({ key }) => key === COORDINATOR_KEY),
        ),
    }),
  },
  {
    name: "writes that check neither owner nor epoch",
    seed: 35,
    shows: /after|two adds/,
    make: () => ({
      ledgerRegistry: (registry: Registry) => unchecked(registry, ofAddress),
      epochOf: () => 1,
    }),
  },
];
