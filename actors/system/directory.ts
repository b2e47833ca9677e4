/**
 * Where an actor lives. The cluster's registry is in `runtime/cluster/`; one node alone, and tests,
 * use the function here.
 *
 * @module
 */
import type { NodeId } from "./envelope.ts";

/** Owner of an address at one epoch. A later owner has a larger epoch. */
export interface Owner {
  /** Node that hosts the actor. */
  node: NodeId;
  /** Number of this ownership, 1 or more. */
  epoch: number;
}

/** Answers where to send a message. */
export interface Directory {
  /**
   * The owner of the address; an address without an owner is given one (the placement that the
   * deployment says, or the asking node). Throws group `actor`, code `no_owner` when nobody can
   * host it. A plain value, not a promise, when it is known here.
   */
  resolve(address: string, signal?: AbortSignal): Owner | Promise<Owner>;
  /** What was known about the address is wrong (its host refused): ask anew next time. */
  invalidate(address: string): void;
  /** The activation here has ended for good. */
  release(address: string, epoch: number): void;
}

/** Directory from a function; every address has epoch 1. */
export function directoryOf(place: (address: string) => NodeId): Directory {
  return {
    resolve: (address) => ({ node: place(address), epoch: 1 }),
    invalidate() {},
    release() {},
  };
}
