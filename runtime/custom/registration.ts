/**
 * How a loaded custom actor is made known to a node's actor system.
 *
 * @module
 */
import type {
  ActorDefinition,
  DurableOptions,
  DurableStore,
  MessageSchemas,
} from "../../actors/mod.ts";
import { customDefinition } from "./definition.ts";
import type { SparedActor } from "./load_actor.ts";
import type { WorkerSlots } from "./worker_slots.ts";

/** What all custom actors of a node share. */
export interface RegistrationParts {
  slots: WorkerSlots;
  /** Keeps states and alarms. @default none: actors that declare some are refused: `no_store` */
  store?: DurableStore;
}

/** The definition of a loaded actor, and what it may keep. */
export function registration(
  actor: SparedActor,
  { slots, store }: RegistrationParts,
): { definition: ActorDefinition<unknown, MessageSchemas>; durable?: DurableOptions } {
  const { spare, filters, stateBytes, alarms } = actor;
  const take = async () => {
    const link = await spare.take();
    // A filter has an activation for each answer, so the next one comes soon; other actors
    // have a single activation and need no spare worker.
    if (filters) spare.refill();
    return link;
  };
  return {
    definition: customDefinition(actor, { enter: (options) => slots.enter(options), take }),
    durable: store && { store, stateBytes, alarms },
  };
}
