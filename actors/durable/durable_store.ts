/**
 * A store for an actor system that is alone: no cluster says who owns its actors.
 *
 * @module
 */
import { type DurableStore, systemClock } from "../system/mod.ts";
import type { Registry } from "../registry/mod.ts";
import { DurableStates } from "./durable_states.ts";
import { takeOver } from "./owner.ts";

/** A store, and the number that its system puts into epochs. */
export interface AloneStore extends DurableStore {
  /** How often this registry was opened so; it grows each time. */
  leaseEpoch(): number;
}

/**
 * Keeps the actors of one system in this registry. Where another program opens the same registry
 * for a system of this name, that one owns the actors from then on, and what this one writes is
 * refused.
 *
 * ```ts
 * const registry = await openRegistry("embedded", { data: ".orrery" });
 * const system = createSystem([counter], { durable: await durableStore(registry) });
 * ```
 */
export async function durableStore(
  registry: Registry,
  { name = "main" }: { name?: string } = {},
): Promise<AloneStore> {
  const { owner, epoch } = await takeOver(registry, `alone/system/${name}`);
  const states = new DurableStates({
    registry,
    clock: systemClock,
    random: Math.random,
    ownerOf: () => owner,
  });
  return {
    open: (to, options) => states.open(to, options),
    alarms: (options) => states.alarms(options),
    leaseEpoch: () => epoch,
  };
}
