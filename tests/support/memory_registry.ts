/**
 * A registry in memory that answers at once.
 *
 * @module
 */
import { type Registry, systemClock } from "../../actors/mod.ts";
import { SimulatedRegistry, SimulatedServer } from "./simulated_registry.ts";

/** A registry whose data lives as long as the object. */
export function memoryRegistry(): Registry {
  const server = new SimulatedServer(systemClock);
  const now = (arrive: () => void) => queueMicrotask(arrive);
  return new SimulatedRegistry(server, { request: now, reply: now }, systemClock);
}
