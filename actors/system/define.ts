/**
 * The whole idea on one screen.
 *
 * ```ts
 * const counter = defineActor({
 *   kind: "counter",
 *   config: z.object({ start: z.number() }),
 *   messages: { add: z.object({ n: z.number() }), read: z.object({}) },
 *   create(_ctx, { start }) {
 *     let count = start;
 *     return {
 *       add: ({ n }) => void (count += n),
 *       read: () => count,
 *     };
 *   },
 * });
 * system.register(counter, { config: { start: 0 } });
 * await system.tell("demo/counter/a", { type: "add", n: 2 });   // the first message activates it
 * await system.ask("demo/counter/a", { type: "read" });         // 2
 * ```
 *
 * An actor handles one message at a time, in the order in which each sender sent them. What a
 * handler returns answers an `ask`. A handler that throws an `OrreryError` has answered with that
 * error and goes on; anything else is a crash, and the actor restarts under its policy.
 *
 * @module
 */
import type { z } from "zod";
import type { Address } from "./address.ts";
import type { TraceContext } from "./envelope.ts";

/** What `tell` and `ask` send: the message's name as `type`, its fields beside it. */
export type Message = { type: string } & Record<string, unknown>;

/** Options of a `tell`. */
export interface TellOptions {
  /**
   * Drop the message if it was not handled within this many milliseconds; a wait for a place ends
   * then with `deadline_exceeded`. @default none
   */
  deadlineMs?: number;
  /** Ends the wait for credit. */
  signal?: AbortSignal;
}

/** Options of an `ask`. */
export interface AskOptions {
  /** Milliseconds until the ask fails with `deadline_exceeded`. @default 30000 */
  deadlineMs?: number;
  /** Ends the wait and tells the receiver, whose handler's `signal` is aborted. */
  signal?: AbortSignal;
}

/** What a handler may know about the message it handles. */
export interface MessageMeta {
  /** Sending actor's address, or "" for the outside. */
  from: string;
  /** Time ({@linkcode ActorContext.now}) at which it came to this node. */
  received: number;
  /** Time ({@linkcode ActorContext.now}) after which nobody waits, or undefined. */
  deadline?: number;
  /** Aborted when the asker cancels, the deadline passes or the actor stops. */
  signal: AbortSignal;
  /** Trace that the message belongs to, or undefined; what the handler sends carries it on. */
  trace?: TraceContext;
}

/** The world, as an actor may touch it. */
export interface ActorContext {
  /** Address of this actor. */
  readonly self: Address;
  /** Aborted when this activation stops (crash, passivation, shutdown). */
  readonly signal: AbortSignal;
  /**
   * Sends; resolves when the message has a place at the receiver (the sender waits for credit,
   * memory does not grow).
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

/** Message schemas by name. */
export type MessageSchemas = Record<string, z.ZodType>;

/** One handler a message. */
export type Behaviour<M extends MessageSchemas> = {
  [K in keyof M]: (message: z.output<M[K]>, meta: MessageMeta) => unknown;
};

/** What a placement solver needs to know about an actor. Data only. */
export interface Needs {
  /** Bytes of memory once active. */
  memoryBytes?: number;
  /** Relative compute, 0: none. */
  compute?: number;
  /** Kinds of actors with which it talks much: links to their hosts matter. */
  links?: string[];
}

/** How an actor lives. */
export interface Policy {
  /**
   * Messages that wait in the mailbox before local senders wait; a remote node may have as many
   * under way. @default 64
   */
  mailbox?: number;
  /** Passivate after so many idle milliseconds; 0: never. @default 0 */
  idleMs?: number;
  /**
   * Crashes tolerated within the window; then the actor fails and refuses messages for the window's
   * length.
   */
  restarts?: { max: number; withinMs: number };
}

/** A kind of actor. Make one with {@linkcode defineActor}. */
export interface ActorDefinition<C = unknown, M extends MessageSchemas = MessageSchemas> {
  /** Second part of the addresses of these actors. */
  kind: string;
  /** Schema of what `create` gets; whoever registers the kind parses with it. */
  config: z.ZodType<C>;
  /**
   * Schema of each message's fields by its name; a body that does not fit is refused with
   * `invalid_message`.
   */
  messages: M;
  /**
   * Messages that overtake others in the mailbox and need no credit: cancellations. @default none
   */
  urgent?: (keyof M & string)[];
  /**
   * Messages whose handlers run beside the others, for long waits. Such a handler must not rely on
   * the actor's state staying as it was across an `await`. @default none
   */
  concurrent?: (keyof M & string)[];
  /**
   * Only these messages activate; others to an inactive address are refused with `not_active`.
   * @default all
   */
  activatedBy?: (keyof M & string)[];
  /** Read by a placement solver. @default nothing is stated */
  needs?: Needs;
  /** Mailbox size, idle time, restarts. @default the defaults of {@linkcode Policy} */
  policy?: Policy;
  /**
   * Makes the handlers of one activation; state is what they close over, so a restart begins anew.
   */
  create(ctx: ActorContext, config: C): Behaviour<M> | Promise<Behaviour<M>>;
}

/** Defines a kind of actor; the module's text shows how. */
export function defineActor<C, M extends MessageSchemas>(
  definition: ActorDefinition<C, M>,
): ActorDefinition<C, M> {
  const { urgent = [], activatedBy = [], concurrent = [] } = definition;
  for (const name of [...urgent, ...activatedBy, ...concurrent]) {
    if (!(name in definition.messages)) {
      throw new TypeError(
        `actor kind ${definition.kind} lists ${name}, which is not one of its messages`,
      );
    }
  }
  return definition;
}
