/**
 * The context of an actor: everything that it may do to the world.
 *
 * @module
 */
import type { Address } from "./address.ts";
import type { Alarm } from "./durable.ts";
import type { AskOptions, Message, TellOptions } from "./messages.ts";
import type { TraceContext } from "./envelope.ts";
import type { GetRef, RefAt } from "./ref.ts";
import type { OpenSpan, SpanInit, WorkReport } from "./telemetry.ts";

/**
 * The state that is kept of an actor. A handler changes it at once and waits for nothing: its
 * answer, and whatever it sends, leaves when the change is saved. After a crash the actor goes on
 * with what its last handler that ended has left.
 */
export interface ActorState<S> {
  /** The state of now. It cannot be changed in place; see {@linkcode ActorState.update}. */
  readonly value: S;
  /**
   * Replaces the state. Throws `bad_state` for a value that does not fit the schema or that JSON
   * cannot write, and `too_large`.
   */
  set(value: S): void;
  /** Replaces the state by what `change` makes of it, and returns that. Throws as `set`. */
  update(change: (value: S) => S): S;
  /** Goes back to the schema's default. */
  clear(): void;
  /**
   * Resolves when all changes so far are saved: for effects that leave by other ways than `ctx`.
   * Throws `state_not_saved`.
   */
  saved(): Promise<void>;
}

/** Options of `ctx.alarm`. */
export interface AlarmOptions {
  /** Replaces the alarm of this name, 1-128 characters. @default a new name */
  name?: string;
}

/** The world, as an actor may touch it. `S`: its state, where its definition declares one. */
export interface ActorContext<S = unknown> {
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
  /**
   * Runs `fn` as a turn of this actor after `ms`, unless the returned function was called before that
   * turn.
   */
  after(ms: number, fn: () => unknown): () => void;
  /** Milliseconds, monotonic. */
  now(): number;
  /** Milliseconds since 1970 (Unix time); it may jump. Alarms are due by it. */
  date(): number;
  /** What is kept of this actor. Throws `not_declared` where its definition has no `state`. */
  readonly state: ActorState<S>;
  /**
   * Arranges that this actor gets the message at a time (a Date or Unix time in milliseconds), at
   * the earliest; it is activated for that, and a restart loses no alarm. Late alarms come at once,
   * in the order of their times. An alarm is over when its handler has ended and what it changed is
   * saved; where the handler crashes it comes again, six times in all. Returns
   * its name. Throws `not_declared`, `bad_alarm`, `too_many_alarms`.
   */
  alarm(at: number | Date, message: Message, options?: AlarmOptions): string;
  /** Takes an alarm back. Returns false where there is none with this name. */
  cancelAlarm(name: string): boolean;
  /** The alarms of this actor, in the order in which they are due. */
  alarms(): Alarm[];
  /** Uniform in [0, 1), from the system's seeded source. */
  random(): number;
  /**
   * Something that the node hands to actors of this kind (the engine of a stage). Throws
   * `no_resource`.
   */
  resource<T>(name: string): T;
  /** Tells that something was done, for whoever counts it at this node. */
  report<R extends WorkReport>(report: R): void;
  /**
   * Begins a span of the trace that `init.parent` belongs to; undefined: nobody records that trace
   * at this node.
   */
  span(name: string, init: SpanInit): OpenSpan | undefined;
  /**
   * Whatever this activation sends from now on belongs to this trace. Undefined: to the trace of the
   * message that is being handled, as it does at first.
   */
  follow(trace: TraceContext | undefined): void;
  /** Calls `fn` before the activation ends, newest first. */
  onStop(fn: () => unknown): void;
  /** Asked before passivation; false: stay. */
  onIdle(fn: () => boolean): void;
  /** Ends this activation after the current turn; the next activating message makes a new one. */
  stop(): void;
}
