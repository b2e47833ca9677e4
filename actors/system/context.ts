/**
 * The context of an actor: everything that it may do to the world.
 *
 * @module
 */
import type { Address } from "./address.ts";
import type { AskOptions, Message, TellOptions } from "./messages.ts";
import type { GetRef, RefAt } from "./ref.ts";

/** The world, as an actor may touch it. */
export interface ActorContext {
  /** Address of this actor. */
  readonly self: Address;
  /**
   * Epoch of this activation: greater than that of every earlier activation of this address, on any
   * node. It belongs into the key of whatever the actor writes, so that what an earlier activation
   * writes late lands where nobody reads.
   */
  readonly epoch: number;
  /** Aborted when this activation stops (crash, passivation, shutdown). */
  readonly signal: AbortSignal;
  /**
   * A typed ref to the actor of this kind with this key: `ctx.get(counter, "a").read()` asks, and
   * `ctx.get(counter, "a").tell.add({ n: 2 })` tells. Sends as `ask` and `tell` below do.
   */
  get: GetRef;
  /** A typed ref to an address that came in a message. Throws `invalid_address` for another kind. */
  at: RefAt;
  /**
   * Sends; resolves when the message has a place at the receiver (the sender waits for credit,
   * memory does not grow). The wait goes on when this activation stops: what an actor says last
   * must arrive. Give it a deadline, or `ctx.signal`.
   */
  tell(to: string, message: Message, options?: TellOptions): Promise<void>;
  /**
   * Sends and waits for the handler's result. Throws what it threw, or `deadline_exceeded`,
   * `peer_lost`, `not_active` ...
   */
  ask(to: string, message: Message, options?: AskOptions): Promise<unknown>;
  /** Runs `fn` as a turn of this actor after `ms`; the returned function cancels. */
  after(ms: number, fn: () => unknown): () => void;
  /** Milliseconds, monotonic. */
  now(): number;
  /** Uniform in [0, 1), from the system's seeded source. */
  random(): number;
  /**
   * Something that the node hands to actors of this kind (the engine of a stage). Throws
   * `no_resource`.
   */
  resource<T>(name: string): T;
  /** Calls `fn` before the activation ends, newest first. */
  onStop(fn: () => unknown): void;
  /** Asked before passivation; false: stay. */
  onIdle(fn: () => boolean): void;
  /** Ends this activation after the current turn; the next activating message makes a new one. */
  stop(): void;
}
