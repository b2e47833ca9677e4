/**
 * What an activation is made of.
 *
 * @module
 */
import type { Address } from "./address.ts";
import type { AnyActor } from "./define.ts";
import type { DurableOptions } from "./durable.ts";
import type { Ownership } from "./ownership.ts";

/** See the module's text. */
export interface ActivationInit {
  address: Address;
  /** Epoch of the ownership, which messages name; see `Activation.ownerEpoch`. */
  ownerEpoch: number;
  /** The ownership itself; undefined: the address is bound to this node. */
  ownership?: Ownership;
  definition: AnyActor;
  /** Parsed at each creation of the behaviour. */
  config: unknown;
  /** What `ctx.resource` finds. */
  resources: Record<string, unknown>;
  /** Keeps the state and the alarms of a kind that declares them. */
  durable?: DurableOptions;
}
