/**
 * Where an actor lives. The cluster's directory is in `runtime/cluster/`; one node alone, and
 * tests, use the function here.
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
   * The owner of the address. A plain value, not a promise, when it is known here: then a send
   * costs no turn of the event loop. Throws group `actor`, code `no_owner` when no node hosts it.
   */
  resolve(address: string, signal?: AbortSignal): Owner | Promise<Owner>;
  /**
   * A message was refused since this is not the owner of the address any more. A directory that
   * knows no later one yet makes `resolve` wait for it. @default nothing is done
   */
  moved?(address: string, owner: Owner): void;
  /**
   * The node of an address, as far as it is known here now; undefined: it is not. Each message of
   * another node asks for two addresses. @default what `resolve` gives at once
   */
  nodeOf?(address: string): NodeId | undefined;
}

/** Directory from a function that names the node of an address; every address has epoch 1. */
export function directoryOf(place: (address: string) => NodeId): Directory {
  return { resolve: (address) => ({ node: place(address), epoch: 1 }) };
}
