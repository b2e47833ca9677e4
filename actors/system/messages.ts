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
