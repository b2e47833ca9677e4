/**
 * Messages: what is sent, with which options, and what a handler is told beside the fields.
 *
 * @module
 */
import type { z } from "zod";
import type { NodeId, TraceContext } from "./envelope.ts";

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
  /**
   * As for an ask: the message is delivered until it was handled, and the wait ends only then.
   * @default none: it is delivered at most once
   */
  idempotencyKey?: string;
}

/** Options of an `ask`. */
export interface AskOptions {
  /** Milliseconds until the ask fails with `deadline_exceeded`. @default 30000 */
  deadlineMs?: number;
  /** Ends the wait and tells the receiver, whose handler's `signal` is aborted. */
  signal?: AbortSignal;
  /**
   * Names this message for good, 1-128 characters: it is delivered again until its deadline where
   * the receiver's node is lost or moves, and a receiver that knows the key answers what it
   * answered before instead of handling it twice. It keeps its last 128 answers. The receiver's
   * kind must declare a state or alarms, else `keeps_no_answers`. @default none: it is delivered at
   * most once
   */
  idempotencyKey?: string;
}

/** What a handler may know about the message it handles. */
export interface MessageMeta {
  /**
   * Sending actor's address, which lives at the node that sent the message; "": it came from outside
   * the actors, or it cannot be told here where that address lives.
   */
  from: string;
  /** Node that sent it; undefined: this one. */
  peer?: NodeId;
  /** Time ({@linkcode ActorContext.now}) at which it came to this node. */
  received: number;
  /** Time ({@linkcode ActorContext.now}) after which nobody waits, or undefined. */
  deadline?: number;
  /** Aborted when the asker cancels, the deadline passes or the actor stops. */
  signal: AbortSignal;
  /** Name of the alarm that brought the message; undefined: it was sent. */
  alarm?: string;
  /** Its idempotency key ({@linkcode AskOptions}); undefined: it has none. */
  key?: string;
  /** Trace that the message belongs to, or undefined; what the handler sends carries it on. */
  trace?: TraceContext;
}

/** Message schemas by name. */
export type MessageSchemas = Record<string, z.ZodType>;

/**
 * One handler for each message. A handler is typed like a method, so that a definition can stand
 * for any definition (parameters of methods are compared in both directions).
 */
export type Behaviour<M extends MessageSchemas> = {
  [K in keyof M]: { handle(message: z.output<M[K]>, meta: MessageMeta): unknown }["handle"];
};
