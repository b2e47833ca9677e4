/**
 * Typed refs: an address together with what the actor there understands and answers.
 *
 * ```ts
 * const a = system.get(counter, "a");
 * await a.tell.add({ n: 2 }); // tells: resolves when the message has a place at the receiver
 * const n = await a.read(); // asks: `n` is what the handler of `read` returns
 * ```
 *
 * A ref is as cheap as its address: it holds no connection, and nobody has to release it. Types are
 * those of the definition in this program; a node of another version that answers something else
 * is not found out here.
 *
 * @module
 */
import type { z } from "zod";
import { type Address, address, parseAddress } from "./address.ts";
import { OrreryError } from "./errors.ts";
import type { AskOptions, Behaviour, Message, MessageSchemas, TellOptions } from "./messages.ts";

/** As much of an actor definition as a ref needs. */
export interface RefTarget<M extends MessageSchemas, B extends Behaviour<M>> {
  /** Second part of the address. */
  kind: string;
  /** First part of the address. @default "default" */
  deployment?: string;
  /** Names the messages. */
  messages: M;
  /** Only its result's type is used. */
  create(ctx: never, config: never): B | Promise<B>;
}

/** A function that takes a message's fields, which may be left out where every field may. */
type Send<Fields, Options, Result> = Record<never, never> extends Fields
  ? (fields?: Fields, options?: Options) => Promise<Result>
  : (fields: Fields, options?: Options) => Promise<Result>;

/** Refs of actors with messages `M` and handlers `B`. */
export type ActorRef<M extends MessageSchemas, B extends Behaviour<M>> =
  & {
    /** `deployment/kind/key`. */
    readonly address: Address;
    /** Sends without waiting for an answer. */
    readonly tell: {
      readonly [K in keyof M & string]: Send<z.input<M[K]>, TellOptions, void>;
    };
  }
  & {
    readonly [
      /** Sends and waits for what the handler returns. */
      K in keyof M & string
    ]: Send<z.input<M[K]>, AskOptions, Awaited<ReturnType<B[K]>>>;
  };

/** The ref type of a definition: `RefOf<typeof counter>`. */
export type RefOf<D> = D extends RefTarget<infer M, infer B> ? ActorRef<M, B> : never;

/** See `ActorContext.get`. `deployment` is the address's first part. @default the definition's */
export type GetRef = <M extends MessageSchemas, B extends Behaviour<M>>(
  actor: RefTarget<M, B>,
  key: string,
  options?: { deployment?: string },
) => ActorRef<M, B>;

/** See `ActorContext.at`. */
export type RefAt = <M extends MessageSchemas, B extends Behaviour<M>>(
  actor: RefTarget<M, B>,
  to: string,
) => ActorRef<M, B>;

/** What carries a ref's messages: a system from the outside, or an actor's context. */
export interface Sender {
  /** See `ActorContext.tell`. */
  tell(to: string, message: Message, options?: TellOptions): Promise<void>;
  /** See `ActorContext.ask`. */
  ask(to: string, message: Message, options?: AskOptions): Promise<unknown>;
}

/** `get` and `at` over a sender. `get` throws `invalid_address` for a key with other characters. */
export function refsOver(sender: Sender): { get: GetRef; at: RefAt } {
  return {
    get: (actor, key, { deployment = actor.deployment ?? "default" } = {}) =>
      refTo(actor, address(deployment, actor.kind, key), sender),
    at(actor, to) {
      const { deployment, kind, key } = parseAddress(to);
      if (kind !== actor.kind) {
        throw new OrreryError({
          group: "actor",
          code: "invalid_address",
          message: `address ${to} is of kind ${kind}, not ${actor.kind}`,
          metadata: { to, kind: actor.kind },
        });
      }
      return refTo(actor, address(deployment, kind, key), sender);
    },
  };
}

function refTo<M extends MessageSchemas, B extends Behaviour<M>>(
  { messages }: RefTarget<M, B>,
  to: Address,
  sender: Sender,
): ActorRef<M, B> {
  const asks: Record<string, unknown> = {};
  const tells: Record<string, unknown> = {};
  for (const type of Object.keys(messages)) {
    asks[type] = (fields: object = {}, options?: AskOptions) =>
      sender.ask(to, { ...fields, type }, options);
    tells[type] = (fields: object = {}, options?: TellOptions) =>
      sender.tell(to, { ...fields, type }, options);
  }
  // The members were made from the names of `messages`, which is what the type says of them.
  return { ...asks, address: to, tell: tells } as unknown as ActorRef<M, B>;
}
