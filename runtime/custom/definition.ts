/**
 * A custom actor as the actor system knows it: a definition whose behaviour hands every message to
 * a worker of its own.
 *
 * @module
 */
import { z } from "zod";
import {
  type ActorContext,
  type ActorDefinition,
  defineActor,
  GRAPH,
  type Message,
  type MessageMeta,
  type MessageSchemas,
  OrreryError,
  toOrreryError,
} from "../../actors/mod.ts";
import { encodeCbor } from "../mailbox/mod.ts";
import type { Description } from "./protocol.ts";
import { type Effects, type LinkOptions, WorkerLink } from "./worker_link.ts";

/**
 * An activation without messages for so long gives its worker back, where its module says nothing
 * else.
 */
const IDLE_MS = 60_000;
/** Sends and timers of one activation that may be open; beyond them it has run wild. */
const OPEN = 1024;

/** A custom actor that was loaded. */
export interface LoadedActor {
  /** Name in the graph, and kind in addresses. */
  name: string;
  link: LinkOptions;
  /** What its module says of it. */
  description: Description;
  config: unknown;
  /** Messages that it takes. */
  messages: string[];
  /** Largest message to it or from it, and answer, in bytes. */
  messageBytes: number;
  /** Does text pass it on its way to clients? Then `end` is taken, and ends the activation. */
  filters: boolean;
}

/** What activations share with their node. */
export interface DefinitionOptions {
  /**
   * Counts the workers of the node; throws where there are too many. The returned function counts
   * one off.
   */
  enter(): () => void;
  /** A worker that has loaded the module and done nothing else. */
  take(): Promise<WorkerLink>;
}

/** The definition to register for a loaded actor. */
export function customDefinition(
  actor: LoadedActor,
  { enter, take }: DefinitionOptions,
): ActorDefinition<unknown, MessageSchemas> {
  const { name, description, filters } = actor;
  const taken = new Set([...actor.messages, ...(filters ? ["end"] : [])]);
  const only = (names: string[]) => names.filter((n) => taken.has(n));
  const size = bounded(actor.messageBytes);
  return defineActor({
    kind: name,
    config: z.unknown(),
    messages: Object.fromEntries([...taken].map((message) => [message, size])),
    urgent: only(description.urgent),
    concurrent: only(description.concurrent),
    activatedBy: description.activatedBy && only(description.activatedBy),
    policy: { idleMs: IDLE_MS, ...description.policy },

    async create(ctx) {
      const leave = enter();
      let link: WorkerLink;
      try {
        link = await take();
      } catch (error) {
        leave();
        throw error;
      }
      ctx.onStop(async () => {
        try {
          await link.close(ctx.now());
        } finally {
          leave();
        }
      });
      ctx.signal.addEventListener("abort", () => link.giveUp(ctx.signal.reason));
      ctx.onIdle(() => link.mayIdle);
      link.attach(new Go(ctx, { link, messageBytes: actor.messageBytes, label: actor.link.label }));
      const seed = Math.floor(ctx.random() * 2 ** 32);
      await link.call({ op: "create", self: ctx.self, config: actor.config, seed, now: ctx.now() });

      const handle = (type: string) => async (body: unknown, meta: MessageMeta) => {
        const { from, received, deadline, trace, signal } = meta;
        const value = await link.call(
          { op: "handle", type, body, from, received, deadline, trace, now: ctx.now() },
          { signal },
        );
        check(value, actor.messageBytes, `the answer of ${ctx.self} to ${type}`);
        return value;
      };
      const behaviour = Object.fromEntries(actor.messages.map((type) => [type, handle(type)]));
      if (filters) behaviour.end = ending(ctx, behaviour.end);
      return behaviour;
    },
  });
}

/** The last message of an answer: nobody will write to this key again. */
function ending(
  ctx: ActorContext,
  handle?: (body: unknown, meta: MessageMeta) => Promise<unknown>,
) {
  return async (body: unknown, meta: MessageMeta) => {
    try {
      return handle ? await handle(body, meta) : { text: "" };
    } finally {
      ctx.stop();
    }
  };
}

/** What a worker wants of the world, within its bounds. */
class Go implements Effects {
  readonly #ctx: ActorContext;
  readonly #link: WorkerLink;
  readonly #label: string;
  readonly #messageBytes: number;
  readonly #sends = new Map<number, AbortController>();
  readonly #timers = new Map<number, () => void>();

  constructor(ctx: ActorContext, { link, messageBytes, label }: {
    link: WorkerLink;
    messageBytes: number;
    label: string;
  }) {
    this.#ctx = ctx;
    this.#link = link;
    this.#label = label;
    this.#messageBytes = messageBytes;
  }

  effect(message: Parameters<Effects["effect"]>[0]): void {
    if (this.#sends.size + this.#timers.size > OPEN) {
      this.#link.kill();
      return this.died(new Error(`it has more than ${OPEN} messages and timers under way`));
    }
    switch (message.op) {
      case "send":
        return void this.#send(message);
      case "cancel":
        return this.#sends.get(message.id)?.abort();
      case "after":
        this.#timers.set(message.id, this.#ctx.after(message.ms, () => this.#timer(message.id)));
        return;
      case "unafter":
        this.#timers.get(message.id)?.();
        this.#timers.delete(message.id);
        return;
      case "stop":
        return this.#ctx.stop();
    }
  }

  died(error: Error): void {
    // As a turn of the actor: that is what its policy counts.
    this.#ctx.after(0, () => {
      throw error;
    });
  }

  async #timer(id: number): Promise<void> {
    this.#timers.delete(id);
    await this.#link.call({ op: "timer", id, now: this.#ctx.now() });
  }

  async #send(
    { id, kind, to, message, deadlineMs }: Extract<
      Parameters<Effects["effect"]>[0],
      { op: "send" }
    >,
  ): Promise<void> {
    const abort = new AbortController();
    this.#sends.set(id, abort);
    try {
      if (!to.startsWith(`${GRAPH}/`)) {
        throw new OrreryError({
          group: "actor",
          code: "not_permitted",
          message:
            `${this.#label} may write to actors of its graph (${GRAPH}/NAME/KEY) and to ${GRAPH}/model/main, not to ${to}`,
          metadata: { to },
        });
      }
      check(message, this.#messageBytes, `message ${message.type} of ${this.#ctx.self}`);
      const options = { deadlineMs, signal: abort.signal };
      const value = await this.#ctx[kind](to, message as Message, options);
      this.#link.reply(id, { value });
    } catch (error) {
      this.#link.reply(id, { error: toOrreryError(error) });
    } finally {
      this.#sends.delete(id);
    }
  }
}

/** Accepts what can travel and is not larger than so many bytes. */
function bounded(bytes: number): z.ZodType {
  return z.record(z.string(), z.unknown()).superRefine((body, context) => {
    try {
      check(body, bytes, "the message");
    } catch (error) {
      context.addIssue({ code: "custom", message: (error as Error).message });
    }
  });
}

/**
 * Throws group `actor`, `too_large` (metadata: `bytes`, `limit`), or what the mailbox says of a
 * value that cannot travel.
 */
function check(value: unknown, limit: number, what: string): void {
  const bytes = encodeCbor(value).length;
  if (bytes <= limit) return;
  throw new OrreryError({
    group: "actor",
    code: "too_large",
    message:
      `${what} has ${bytes} bytes, ${limit} are allowed (limits.message_bytes of the graph file)`,
    metadata: { bytes, limit },
  });
}
