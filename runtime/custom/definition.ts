/**
 * The actor definition of a custom actor: its behaviour passes every message to a worker, and its
 * context performs what the worker asks for.
 *
 * @module
 */
import { z } from "zod";
import {
  type ActorContext,
  type ActorDefinition,
  anyNode,
  type CallerRule,
  defineActor,
  GRAPH,
  type Message,
  type MessageMeta,
  type MessageSchemas,
  OrreryError,
  type SeenActor,
  toOrreryError,
} from "../../actors/mod.ts";
import { encodeCbor } from "../mailbox/mod.ts";
import type { Description } from "./protocol.ts";
import { type Effects, type LinkOptions, WorkerLink } from "./worker_link.ts";
import type { SlotOptions, WorkerSlot } from "./worker_slots.ts";

/**
 * Milliseconds without a message after which an activation ends with its worker, where the module's
 * own policy does not say.
 */
const IDLE_MS = 60_000;
/** Most sends and timers that one activation may have open; with more it is stopped as a crash. */
const MOST_OPEN = 1024;

/** A custom actor whose module was loaded and checked. */
export interface LoadedActor {
  /** Name in the graph, and kind in addresses. */
  name: string;
  /** What its workers are started with. */
  link: LinkOptions;
  /** What its module's definition says. */
  description: Description;
  /** The entry's config, which the module's schema has accepted. */
  config: unknown;
  /** Names of the messages that it takes. */
  messages: string[];
  /** Messages of these that other nodes may send: those of requests that come in there. */
  open: string[];
  /** Most bytes of the state of one activation as JSON. */
  stateBytes: number;
  /** Most alarms of one activation. */
  alarms: number;
  /** Largest size of a message to it, of a message from it, and of an answer, in bytes. */
  messageBytes: number;
  /**
   * Does the text of answers pass it on the way to clients? Then it takes the message `end`, which
   * ends the activation.
   */
  filters: boolean;
}

/** Options of {@linkcode customDefinition}: what all activations of a node share. */
export interface DefinitionOptions {
  /** Takes a place for one worker more. Throws `too_many_workers`. */
  enter(options: SlotOptions): Promise<WorkerSlot>;
  /** Resolves to a worker that has loaded the module and done nothing else. */
  take(): Promise<WorkerLink>;
}

/** Actors of the graph may, wherever they run. */
const graphActors: CallerRule = {
  who: "actors of its graph",
  allows: ({ from }) => from.startsWith(`${GRAPH}/`),
};

/** The definition to register for a loaded actor; its kind is the actor's name. */
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
    callers: Object.fromEntries(
      [...taken].map((message) => [message, actor.open.includes(message) ? anyNode : graphActors]),
    ),
    concurrent: only(description.concurrent),
    activatedBy: description.activatedBy && only(description.activatedBy),
    // One bad input must not keep others from the model.
    policy: { idleMs: IDLE_MS, crashIsAnswer: true, ...description.policy },
    // The module's own schema is in its worker.
    state: description.state ? z.unknown().optional() : undefined,
    alarms: description.alarms,

    async create(ctx) {
      let link: WorkerLink | undefined;
      const slot = await enter({
        name,
        // The text of an answer that is under way is no state that is kept.
        mayEnd: () => description.state && !filters && link?.mayIdle === true,
        end: () => ctx.stop(),
      });
      try {
        link = await take();
      } catch (error) {
        slot.leave();
        throw error;
      }
      const worker = link;
      ctx.onStop(async () => {
        try {
          await worker.close(ctx.now());
        } finally {
          slot.leave();
        }
      });
      ctx.signal.addEventListener("abort", () => worker.giveUp(ctx.signal.reason));
      ctx.onIdle(() => worker.mayIdle);
      worker.attach(
        new WorkerEffects(ctx, {
          link: worker,
          messageBytes: actor.messageBytes,
          label: actor.link.label,
        }),
      );
      const seed = Math.floor(ctx.random() * 2 ** 32);
      await worker.call({
        op: "create",
        ...{ self: ctx.self, epoch: ctx.epoch, config: actor.config, seed, now: ctx.now() },
        kept: keptOf(ctx, description),
        limits: { stateBytes: actor.stateBytes, alarms: actor.alarms },
      });

      const handle = (type: string) => async (body: unknown, meta: MessageMeta) => {
        const { from, received, deadline, trace, signal, alarm, key } = meta;
        const over = slot.work();
        try {
          const value = await worker.call(
            {
              op: "handle",
              type,
              body,
              from,
              received,
              deadline,
              trace,
              alarm,
              key,
              now: ctx.now(),
            },
            { signal },
          );
          check(value, actor.messageBytes, `the answer of ${ctx.self} to ${type}`);
          return value;
        } finally {
          over();
        }
      };
      const behaviour = Object.fromEntries(actor.messages.map((type) => [type, handle(type)]));
      if (filters) behaviour.end = ending(ctx, behaviour.end);
      return behaviour;
    },
  });
}

/** What a worker is told of what is kept. */
function keptOf(ctx: ActorContext, { state, alarms }: Description): SeenActor {
  const value = state ? ctx.state.value : undefined;
  return {
    ...(value !== undefined && { state: JSON.stringify(value) }),
    alarms: alarms ? ctx.alarms().map((alarm) => ({ ...alarm, crashes: 0 })) : [],
  };
}

/** Handler of `end`, the last message of an answer: the activation stops when it has answered. */
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

/**
 * Performs what a worker asks for (sends, timers, its own stop), within the actor's limits, with
 * the context of its activation.
 */
class WorkerEffects implements Effects {
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
    if (this.#sends.size + this.#timers.size > MOST_OPEN) {
      this.#link.kill();
      return this.died(new Error(`it has more than ${MOST_OPEN} messages and timers under way`));
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
      case "saved":
        return void this.#saved(message.id);
      default:
        try {
          this.#keep(message);
        } catch (error) { // the worker has checked it: it is not what we gave it
          this.#link.kill();
          this.died(error as Error);
        }
    }
  }

  #keep(message: Extract<Parameters<Effects["effect"]>[0], { op: "state" | `${string}alarm` }>) {
    switch (message.op) {
      case "state":
        if (message.state === undefined) return this.#ctx.state.clear();
        return this.#ctx.state.set(JSON.parse(message.state));
      case "alarm":
        return void this.#ctx.alarm(message.at, message.message as Message, { name: message.name });
      case "cancel_alarm":
        return void this.#ctx.cancelAlarm(message.name);
    }
  }

  async #saved(id: number): Promise<void> {
    try {
      await this.#ctx.state.saved();
      this.#link.reply(id, { value: undefined });
    } catch (error) {
      this.#link.reply(id, { error: toOrreryError(error) });
    }
  }

  died(error: Error): void {
    // Thrown in a turn of the actor, so that its restart policy counts it as a crash.
    this.#ctx.after(0, () => {
      throw error;
    });
  }

  async #timer(id: number): Promise<void> {
    this.#timers.delete(id);
    await this.#link.call({ op: "timer", id, now: this.#ctx.now() });
  }

  async #send(
    { id, kind, to, message, deadlineMs, key: idempotencyKey }: Extract<
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
      const options = { deadlineMs, signal: abort.signal, idempotencyKey };
      const value = await this.#ctx[kind](to, message as Message, options);
      this.#link.reply(id, { value });
    } catch (error) {
      this.#link.reply(id, { error: toOrreryError(error) });
    } finally {
      this.#sends.delete(id);
    }
  }
}

/** Schema of a message that can be encoded in at most so many bytes. */
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
 * Throws group `actor`, code `too_large` (metadata: `bytes`, `limit`), where the encoded value has
 * more than `limit` bytes, or what the mailbox's encoder throws for a value that it cannot encode.
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
