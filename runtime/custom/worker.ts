/**
 * Runs inside a custom actor's worker: one activation of the module's definition. Its `ctx` sends
 * every effect to the node, which performs it.
 *
 * @module
 */
import {
  type ActorContext,
  type ActorDefinition,
  actorStopped,
  type Address,
  type AskOptions,
  type Behaviour,
  DurableView,
  invalidMessage,
  type MessageSchemas,
  noResource,
  OrreryError,
  refsOver,
} from "../../actors/system/mod.ts";
import { bytesUsed, listen, post as postRaw } from "./lock.ts";
import type { Call, FromWorkerInput, ToWorker } from "./protocol.ts";

const post = (message: FromWorkerInput) => postRaw(message);

type Definition = ActorDefinition<unknown, MessageSchemas>;

/** Serves the module's default export, and tells the node so, or what is wrong with the export. */
export function serve(exported: unknown): void {
  const wrong = faultOf(exported);
  if (wrong !== undefined) return post({ op: "broken", message: wrong });
  const definition = exported as Definition;
  const { kind, messages, urgent = [], concurrent = [], activatedBy, policy = {} } = definition;
  const { state, alarms = false } = definition;
  const keeps = { state: state !== undefined, alarms };
  const actor = new WorkerActor(definition);
  listen((data) => actor.hear(data as ToWorker));
  post({
    op: "ready",
    description: {
      ...{ kind, messages: Object.keys(messages), urgent, concurrent, activatedBy, policy },
      ...keeps,
    },
  });
}

/** Tells the node that the module failed, while it was loaded or later outside of any call. */
export function refuse(error: unknown): void {
  post({ op: "broken", message: error instanceof Error ? error.message : String(error) });
}

globalThis.addEventListener("error", (event) => {
  event.preventDefault();
  refuse(event.error ?? event.message);
});
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  refuse(event.reason);
});

/** What is wrong with a module's default export; undefined: nothing. */
function faultOf(exported: unknown): string | undefined {
  if (exported === undefined) {
    return "it has no default export; expected `export default defineActor({...})`";
  }
  const { kind, config, messages, create } = (exported ?? {}) as Partial<Definition>;
  const schemas = typeof messages === "object" && messages !== null ? Object.values(messages) : [];
  const fits = typeof kind === "string" && typeof create === "function" && schemas.length > 0 &&
    [config, ...schemas].every((schema) => typeof schema?.safeParse === "function");
  return fits
    ? undefined
    : "its default export is no actor; expected `export default defineActor({...})`";
}

/** The fields of an error that are sent to the node. */
function failureOf(error: unknown) {
  const known = error as OrreryError;
  // Compared by name: the module may have loaded its own copy of the class.
  if (error instanceof Error && known.name === "OrreryError" && typeof known.code === "string") {
    const { group, code, message, metadata } = known;
    return { crash: false, group, code, message, metadata, public: known.public };
  }
  return {
    crash: true,
    message: error instanceof Error ? error.stack ?? error.message : String(error),
  };
}

/** The activation in this worker. */
class WorkerActor {
  readonly #definition: Definition;
  /** Calls of the node under way, by their number; the controllers abort the handlers' signals. */
  readonly #calls = new Map<number, AbortController>();
  /** Sends that the node has not settled yet, by their id. */
  readonly #sends = new Map<number, PromiseWithResolvers<unknown>>();
  /** Functions of `ctx.after` whose time has not come, by their id. */
  readonly #timers = new Map<number, () => unknown>();
  readonly #stopHooks: (() => unknown)[] = [];
  readonly #idleHooks: (() => boolean)[] = [];
  /** Aborts when the activation stops. */
  readonly #signal = new AbortController();
  #behaviour?: Behaviour<MessageSchemas>;
  /** What is kept of the actor, as it sees it. */
  #view?: DurableView;
  /** The actor's address; a placeholder until `create` is called. */
  #self = "graph/none/main" as Address;
  /** Id of the next send or timer. */
  #next = 1;
  /** Milliseconds of the actor system's clock, and of this worker's clock at the same moment. */
  #clock = { now: 0, at: performance.now() };
  /** State of the random number generator, 32 bits. */
  #random = 0;

  constructor(definition: Definition) {
    this.#definition = definition;
  }

  /** Takes a message of the node. */
  hear(message: ToWorker): void {
    switch (message.op) {
      case "ping":
        return post({ op: "pong", bytes: bytesUsed() });
      case "abort":
        return this.#calls.get(message.call)?.abort(OrreryError.fromWire(message.reason));
      case "reply": {
        const waiting = this.#sends.get(message.id);
        this.#sends.delete(message.id);
        if (message.error) waiting?.reject(OrreryError.fromWire(message.error));
        else waiting?.resolve(message.value);
        return;
      }
      default:
        void this.#answer(message);
    }
  }

  async #answer(message: Call & { call: number }): Promise<void> {
    const { call } = message;
    const abort = new AbortController();
    this.#calls.set(call, abort);
    if ("now" in message) {
      this.#clock = { now: Math.max(message.now, this.#now()), at: performance.now() };
    }
    try {
      const value = await this.#perform(message, abort.signal);
      const mayIdle = this.#idleHooks.every((may) => may());
      try {
        post({ op: "settled", call, value, mayIdle });
      } catch (error) {
        throw new OrreryError({
          group: "actor",
          code: "bad_answer",
          message: `what ${this.#self} answers cannot be sent: ${(error as Error).message}`,
        });
      }
    } catch (error) {
      post({ op: "settled", call, value: undefined, failure: failureOf(error), mayIdle: false });
    } finally {
      this.#calls.delete(call);
    }
  }

  async #perform(message: Call, signal: AbortSignal): Promise<unknown> {
    switch (message.op) {
      case "config":
        return void this.#config(message.config);
      case "create":
        this.#self = message.self as Address;
        this.#random = message.seed;
        this.#view = this.#viewOf(message);
        this.#behaviour = await this.#definition.create(
          this.#context(message.epoch, this.#view),
          this.#config(message.config),
        );
        return;
      case "handle": {
        const { type, body, from, received, deadline, trace, alarm, key } = message;
        if (alarm !== undefined) this.#view?.drop(alarm); // the node has done so, too
        const parsed = this.#definition.messages[type].safeParse(body);
        if (!parsed.success) throw invalidMessage(this.#self, type, parsed.error.issues[0]);
        return await this.#behaviour![type](parsed.data, {
          from,
          received,
          deadline,
          trace,
          alarm,
          key,
          signal,
        });
      }
      case "timer": {
        const fn = this.#timers.get(message.id);
        this.#timers.delete(message.id);
        return void await fn?.();
      }
      case "stopping":
        this.#signal.abort(actorStopped(this.#self));
        for (const hook of this.#stopHooks.reverse()) await hook();
    }
  }

  #config(config: unknown): unknown {
    const parsed = this.#definition.config.safeParse(config);
    if (parsed.success) return parsed.data;
    const { path, message } = parsed.error.issues[0];
    throw new OrreryError({
      group: "graph",
      code: "bad_config",
      message: `${["config", ...path].join(".")}: ${message}`,
    });
  }

  /** What the actor sees of what is kept; the node is told of each change. */
  #viewOf(
    { self, epoch, kept, limits: { stateBytes, alarms } }: Extract<Call, { op: "create" }>,
  ): DurableView {
    let state = kept.state;
    return new DurableView({
      ...{ self, epoch, kept, stateBytes, alarms, definition: this.#definition },
      saved: async () => void await this.#waitFor((id) => post({ op: "saved", id })),
      changed(now) {
        if (now.state !== state) post({ op: "state", state: now.state });
        state = now.state;
      },
    });
  }

  #context(epoch: number, { context: kept }: DurableView): ActorContext {
    const send = (kind: "tell" | "ask") =>
    (
      to: string,
      message: { type: string },
      { deadlineMs, signal, idempotencyKey: key }: AskOptions = {},
    ): Promise<unknown> => this.#send({ kind, to, message, deadlineMs, key }, signal);
    const sender = { tell: send("tell") as ActorContext["tell"], ask: send("ask") };
    return {
      self: this.#self,
      epoch,
      signal: this.#signal.signal,
      ...sender,
      ...refsOver(sender),
      after: (ms, fn) => {
        const id = this.#next++;
        this.#timers.set(id, fn);
        post({ op: "after", id, ms });
        return () => {
          if (this.#timers.delete(id)) post({ op: "unafter", id });
        };
      },
      now: () => this.#now(),
      date: Date.now,
      state: kept.state,
      alarms: kept.alarms,
      alarm(at, message, options) {
        const name = kept.alarm(at, message, options);
        post({ op: "alarm", name, at: Number(at), message });
        return name;
      },
      cancelAlarm(name) {
        const had = kept.cancelAlarm(name);
        if (had) post({ op: "cancel_alarm", name });
        return had;
      },
      random: () => this.#draw(),
      resource: (name) => {
        throw noResource(this.#self, name, []); // custom actors are given none
      },
      // The node counts the messages of custom actors, and none of their own reports or spans.
      report: () => {},
      span: () => undefined,
      follow: () => {},
      onStop: (fn) => void this.#stopHooks.push(fn),
      onIdle: (fn) => void this.#idleHooks.push(fn),
      stop: () => post({ op: "stop" }),
    };
  }

  async #send(
    sent: {
      kind: "tell" | "ask";
      to: string;
      message: { type: string };
      deadlineMs?: number;
      key?: string;
    },
    signal?: AbortSignal,
  ): Promise<unknown> {
    return await this.#waitFor((id) => post({ op: "send", id, ...sent }), signal);
  }

  /** Tells the node something, and waits for its `reply`. */
  async #waitFor(tell: (id: number) => void, signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted();
    const id = this.#next++;
    const waiting = Promise.withResolvers<unknown>();
    this.#sends.set(id, waiting);
    const cancel = () => {
      this.#sends.delete(id);
      post({ op: "cancel", id });
      waiting.reject(signal!.reason);
    };
    signal?.addEventListener("abort", cancel);
    try {
      tell(id);
      return await waiting.promise;
    } finally {
      this.#sends.delete(id);
      signal?.removeEventListener("abort", cancel);
    }
  }

  #now(): number {
    return this.#clock.now + performance.now() - this.#clock.at;
  }

  /** A random number from 0 to below 1, by the generator Mulberry32 (Tommy Ettinger). */
  #draw(): number {
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
}
