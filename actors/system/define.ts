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
 * const system = createSystem([{ actor: counter, config: { start: 0 } }]);
 * const a = system.get(counter, "a");
 * await a.tell.add({ n: 2 }); // the first message activates the actor
 * await a.read(); // 2, a number: what a message answers is inferred from its handler
 * ```
 *
 * Actors of other nodes may send only what `callers` allows: `callers: anyNode`, or a rule for each
 * message (`callers.ts`).
 *
 * An actor handles one message at a time, in the order in which each sender sent them. What a
 * handler returns answers an `ask`. A handler that throws an `OrreryError` has answered with that
 * error and goes on; anything else is a crash, and the actor restarts under its policy.
 *
 * @module
 */
import type { z } from "zod";
import { type Callers, isRule } from "./callers.ts";
import type { ActorContext } from "./context.ts";
import type { Behaviour, MessageMeta, MessageSchemas } from "./messages.ts";

/** How an actor lives. */
export interface Policy {
  /**
   * Messages that wait in the mailbox before local senders wait. Remote nodes are bounded
   * separately: each may have {@linkcode REMOTE_WINDOW} messages under way to one actor, whatever
   * this number is. @default 64
   */
  mailbox?: number;
  /** Milliseconds without a message after which the actor is passivated; 0: never. @default 0 */
  idleMs?: number;
  /**
   * Most activations of the kind at a node. Where that many are active, the one that has been idle
   * for the longest ends, if its state is kept; otherwise the message is refused with
   * `too_many_activations`. @default 1024 for kinds with a `state`, otherwise not limited
   */
  activations?: number;
  /**
   * How many crashes are tolerated within a time. After one crash more the actor has failed: it
   * refuses messages with `actor_failed` for as long. @default {max: 3, withinMs: 60000}
   */
  restarts?: { max: number; withinMs: number };
  /**
   * Is a crash while a message is handled nothing but the answer to that message? Then it does not
   * count for `restarts`: one bad input cannot keep others from being served. A crash of `create`
   * or of a timer always counts. @default false
   */
  crashIsAnswer?: boolean;
}

/**
 * A kind of actor: its configuration `C`, its message schemas `M`, its handlers `B` and its state
 * `S`. Make one with {@linkcode defineActor}, which infers all four.
 */
export interface ActorDefinition<
  C = unknown,
  M extends MessageSchemas = MessageSchemas,
  B extends Behaviour<M> = Behaviour<M>,
  S = unknown,
> {
  /** Second part of the addresses of these actors. */
  kind: string;
  /**
   * First part of the addresses of these actors, where whoever asks for a ref names no other.
   * @default "default"
   */
  deployment?: string;
  /** Schema of what `create` gets; the system parses the registered configuration with it. */
  config: z.ZodType<C>;
  /** Schema of each message's fields by its name; other bodies are refused: `invalid_message`. */
  messages: M;
  /** Messages that overtake others in the mailbox and need no credit: cancellations. @default none */
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
  /**
   * Who on other nodes may send which message: `anyNode`, or a rule for each message. A message
   * without a rule is refused there with `not_allowed`. @default none: actors of its own node alone
   */
  callers?: Callers<NoInfer<M>>;
  /** Mailbox size, idle time, restarts. @default the defaults of {@linkcode Policy} */
  policy?: Policy;
  /**
   * Schema of `ctx.state`, which is kept beyond the activation: it survives crashes, idleness and
   * restarts, and moves with the actor. It needs a default, and takes what JSON can write.
   * @default none: state is what the handlers close over, and a restart begins anew
   */
  state?: z.ZodType<S>;
  /** May its actors set alarms (`ctx.alarm`)? @default false */
  alarms?: boolean;
  /** Makes the handlers of one activation. */
  create(ctx: ActorContext<S>, config: C): B | Promise<B>;
}

/**
 * Any definition, whatever its types: what a system keeps, and what a list of several kinds holds.
 */
export interface AnyActor {
  /** See {@linkcode ActorDefinition.kind}. */
  kind: string;
  /** See {@linkcode ActorDefinition.deployment}. */
  deployment?: string;
  /** See {@linkcode ActorDefinition.config}. */
  config: z.ZodType;
  /** See {@linkcode ActorDefinition.messages}. */
  messages: MessageSchemas;
  /** See {@linkcode ActorDefinition.urgent}. */
  urgent?: string[];
  /** See {@linkcode ActorDefinition.concurrent}. */
  concurrent?: string[];
  /** See {@linkcode ActorDefinition.activatedBy}. */
  activatedBy?: string[];
  /** See {@linkcode ActorDefinition.callers}. */
  callers?: Callers;
  /** See {@linkcode ActorDefinition.policy}. */
  policy?: Policy;
  /** See {@linkcode ActorDefinition.state}. */
  state?: z.ZodType;
  /** See {@linkcode ActorDefinition.alarms}. */
  alarms?: boolean;
  /** See {@linkcode ActorDefinition.create}. */
  create(ctx: ActorContext, config: unknown): AnyBehaviour | Promise<AnyBehaviour>;
}

/** Handlers by message name, their types forgotten: the system validates before it calls them. */
export type AnyBehaviour = Record<
  string,
  { handle(message: unknown, meta: MessageMeta): unknown }["handle"]
>;

/** Names that a message must not have, since every ref has members of these names. */
const RESERVED = ["address", "tell", "then"];

/**
 * Defines a kind of actor; the module's text shows how. Throws TypeError when it lists a message
 * that it does not have, or has one with a reserved name (`address`, `tell`, `then`), or where the
 * schema of its state has no default.
 */
export function defineActor<C, M extends MessageSchemas, B extends Behaviour<M>, S = unknown>(
  definition: ActorDefinition<C, M, B, S>,
): ActorDefinition<C, M, B, S> {
  const { kind, messages, urgent = [], activatedBy = [], concurrent = [], callers = {} } =
    definition;
  if (definition.state && !definition.state.safeParse(undefined).success) {
    throw new TypeError(
      `the state of actor kind ${kind} has no default; add one, as in z.object({...}).default({...})`,
    );
  }
  const ruled = isRule(callers as Callers) ? [] : Object.keys(callers);
  for (const name of [...urgent, ...activatedBy, ...concurrent, ...ruled]) {
    if (!Object.hasOwn(messages, name)) {
      throw new TypeError(`actor kind ${kind} lists ${name}, which is not one of its messages`);
    }
  }
  const reserved = RESERVED.find((name) => Object.hasOwn(messages, name));
  if (reserved !== undefined) {
    throw new TypeError(`actor kind ${kind} has a message ${reserved}; choose another name`);
  }
  return definition;
}
