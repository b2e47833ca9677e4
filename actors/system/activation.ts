/**
 * One activation of an actor: its turns, its timers, its restarts, its end.
 *
 *     starting -> idle <-> running -> stopped
 *                  ^        |
 *                  +--crash-+   (new behaviour, same mailbox)
 *
 * @module
 */
import type { Address } from "./address.ts";
import type { ActorContext } from "./context.ts";
import type { AnyActor, AnyBehaviour } from "./define.ts";
import type { Delivery } from "./delivery.ts";
import { hasCode, OrreryError, toOrreryError } from "./errors.ts";
import { Mailbox } from "./mailbox.ts";
import type { AskOptions, Message, TellOptions } from "./messages.ts";
import type { Ownership } from "./ownership.ts";
import { refsOver } from "./ref.ts";
import { actorFailed, actorStopped, noResource, ownershipOver } from "./refusals.ts";
import type { Clock, TraceContext } from "./envelope.ts";

/** What an activation needs from its system. */
export interface ActivationHost {
  readonly clock: Clock;
  random(): number;
  schedule(turn: () => void): void;
  /** The epoch of a behaviour that is created now; it is greater than those before. */
  nextEpoch(ownership: Ownership | undefined): number;
  /** Sends for the actor at `from`; see `ActorContext.tell`. */
  tell(
    from: string,
    to: string,
    message: Message,
    options: TellOptions,
    trace?: TraceContext,
  ): Promise<void>;
  /** Asks for the actor at `from`; see `ActorContext.ask`. */
  ask(
    from: string,
    to: string,
    message: Message,
    options: AskOptions,
    trace?: TraceContext,
  ): Promise<unknown>;
  /** A message has left the mailbox, so its sender may get its credit back. */
  taken(delivery: Delivery): void;
  dead(delivery: Delivery, error: OrreryError): void;
  crashed(address: string, error: OrreryError): void;
  /** The activation is over; `rest` are the messages that it did not handle. */
  ended(activation: Activation, rest: Delivery[]): void;
}

/** What an activation is made of. */
export interface ActivationInit {
  address: Address;
  /** Epoch of the ownership, which messages name; see {@linkcode Activation.owned}. */
  owned: number;
  /** The ownership itself; undefined: the address is bound to this node. */
  ownership?: Ownership;
  definition: AnyActor;
  /** Parsed at each creation of the behaviour. */
  config: unknown;
  /** What `ctx.resource` finds. */
  resources: Record<string, unknown>;
}

const DEFAULT_RESTARTS = { max: 3, withinMs: 60_000 };

/** An actor between its first message and its end. The system makes a new one after the end. */
export class Activation {
  readonly address: Address;
  /** Epoch of the ownership under which it was begun; messages with an older one are refused. */
  readonly owned: number;
  readonly definition: AnyActor;
  readonly mailbox: Mailbox<Delivery | (() => unknown)>;
  /**
   * Time (`ActorContext.now`, milliseconds) until which the actor refuses messages after too many
   * crashes.
   */
  failedUntil = -Infinity;

  readonly #host: ActivationHost;
  readonly #ownership?: Ownership;
  readonly #config: unknown;
  readonly #resources: Record<string, unknown>;
  #behaviour?: AnyBehaviour;
  #epoch = 0;
  #running = false;
  /** How many handlers of concurrent messages run now. */
  #beside = 0;
  #ended = false;
  #stopping = false;
  #abort = new AbortController();
  #onStop: (() => unknown)[] = [];
  #onIdle: (() => boolean)[] = [];
  #timers = new Set<() => void>();
  #crashes: number[] = [];
  /** Cancels the timer of idleness; undefined: none is set. */
  #cancelIdle?: () => void;
  /** When the last turn ended, milliseconds. */
  #idleSince = 0;
  #current?: Delivery;
  #done = Promise.withResolvers<void>();
  readonly #onLapse = () => {
    const reason = ownershipOver(this.address, this.owned);
    this.#refuseAll(reason); // at once, as the handler that runs may heed nothing
    this.kill(reason);
  };

  constructor(
    host: ActivationHost,
    { address, owned, ownership, definition, config, resources }: ActivationInit,
  ) {
    this.#host = host;
    this.address = address;
    this.owned = owned;
    this.definition = definition;
    this.#ownership = ownership;
    this.#config = config;
    this.#resources = resources;
    this.mailbox = new Mailbox(definition.policy?.mailbox ?? 64);
    ownership?.signal.addEventListener("abort", this.#onLapse, { once: true });
  }

  /** Epoch of its behaviour, which is created anew after a crash; 0: it was not created yet. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Did its ownership end? Then it handles nothing more, and is about to end. */
  get lapsed(): boolean {
    return this.#ownership !== undefined && !this.#ownership.certain();
  }

  get busy(): boolean {
    return this.#running;
  }

  /** Resolves when the activation is over. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** Schedules a turn, unless one is scheduled or running. Call it after a put. */
  wake(): void {
    if (this.#running || this.#ended) return;
    this.#running = true;
    this.#host.schedule(() => void this.#turn());
  }

  /** Ends after the current turn. */
  stop(): void {
    this.#stopping = true;
    this.wake();
  }

  /** Ends as soon as the running handler heeds its signal, which is aborted now. */
  kill(reason: OrreryError): void {
    this.#stopping = true;
    this.#abort.abort(reason);
    this.wake();
  }

  async #turn(): Promise<void> {
    try {
      // A process that stood still may come to this turn before the timer that ends the ownership.
      if (this.lapsed) this.#onLapse();
      if (!this.#stopping) await this.#handleNext();
    } finally {
      this.#running = false;
      if (this.#stopping) await this.#end();
      else if (this.mailbox.size > 0) this.wake();
      else this.#armIdle();
    }
  }

  async #handleNext(): Promise<void> {
    if (!this.#behaviour && !await this.#start()) return;
    const next = this.mailbox.take();
    if (next === undefined) return;
    if (typeof next === "function") {
      try {
        await next();
      } catch (error) {
        await this.#crash(toOrreryError(error, this.address));
      }
      return;
    }
    this.#host.taken(next);
    const over = next.over;
    if (over) {
      next.origin.reject(over);
      this.#host.dead(next, over);
      return;
    }
    if (!this.definition.concurrent?.includes(next.type)) return await this.#run(next);
    this.#beside++;
    void this.#run(next).finally(() => {
      this.#beside--;
      if (!this.#running) this.#armIdle();
    });
  }

  async #run(delivery: Delivery): Promise<void> {
    const { signal } = this.#abort;
    delivery.begin(signal);
    try {
      this.#current = delivery; // seen by what the handler sends before its first await
      const result = await this.#behaviour![delivery.type](delivery.body, delivery);
      // What a handler did after its ownership ended, or after a crash, may not be there to stay:
      // another activation goes on from what was written before.
      if (signal.aborted && !hasCode(signal.reason, "stopped")) throw signal.reason;
      delivery.origin.resolve(result);
    } catch (caught) {
      const error = toOrreryError(caught, this.address);
      delivery.origin.reject(error);
      if (delivery.origin.kind === "tell" || error.code === "internal") {
        this.#host.dead(delivery, error);
      }
      if (!(caught instanceof OrreryError) && !signal.aborted) await this.#crash(error);
    } finally {
      if (this.#current === delivery) this.#current = undefined;
      delivery.end();
    }
  }

  /**
   * Creates the behaviour. A typed error refuses what waits and ends the activation; anything else
   * is a crash.
   */
  async #start(): Promise<boolean> {
    try {
      this.#epoch = this.#host.nextEpoch(this.#ownership);
      this.#behaviour = await this.definition.create(
        this.#context(this.#epoch),
        this.definition.config.parse(this.#config),
      );
      return true;
    } catch (caught) {
      const error = toOrreryError(caught, this.address);
      this.#refuseAll(error);
      if (caught instanceof OrreryError) this.#stopping = true;
      else await this.#crash(error);
      return false;
    }
  }

  async #crash(error: OrreryError): Promise<void> {
    this.#host.crashed(this.address, error);
    await this.#teardown(error);
    const { max, withinMs } = this.definition.policy?.restarts ?? DEFAULT_RESTARTS;
    const now = this.#host.clock.now();
    this.#crashes = [...this.#crashes.filter((t) => now - t < withinMs), now];
    if (this.#crashes.length <= max) return;
    this.failedUntil = now + withinMs;
    this.#refuseAll(actorFailed(this.address, this.#crashes.length, withinMs));
  }

  #refuseAll(error: OrreryError): void {
    for (const item of this.mailbox.drain()) {
      if (typeof item === "function") continue;
      this.#host.taken(item);
      item.origin.reject(error);
      this.#host.dead(item, error);
    }
  }

  async #teardown(reason: unknown): Promise<void> {
    this.#abort.abort(reason);
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    const hooks = this.#onStop.reverse();
    this.#onStop = [];
    this.#onIdle = [];
    this.#behaviour = undefined;
    for (const hook of hooks) {
      try {
        await hook();
      } catch (error) {
        this.#host.crashed(this.address, toOrreryError(error, this.address));
      }
    }
    this.#abort = new AbortController();
  }

  async #end(): Promise<void> {
    this.#ended = true;
    this.#ownership?.signal.removeEventListener("abort", this.#onLapse);
    this.#cancelIdle?.();
    await this.#teardown(actorStopped(this.address));
    const rest = this.mailbox.drain().filter((item) => typeof item !== "function");
    this.#host.ended(this, rest);
    this.#done.resolve();
  }

  #armIdle(): void {
    const idleMs = this.definition.policy?.idleMs ?? 0;
    if (idleMs <= 0 || this.#ended || this.#beside > 0) return;
    this.#idleSince = this.#host.clock.now();
    if (!this.#cancelIdle) this.#watchIdle(idleMs);
  }

  /**
   * Looks for idleness after `ms`. One timer runs through many turns, since setting one anew after
   * each message would cost more than the rest of a turn.
   */
  #watchIdle(ms: number): void {
    const { clock } = this.#host;
    this.#cancelIdle = clock.after(ms, () => {
      this.#cancelIdle = undefined;
      // the turn that runs sets the timer at its end
      if (this.#running || this.#beside > 0 || this.mailbox.size > 0) return;
      const left = this.#idleSince + this.definition.policy!.idleMs! - clock.now();
      if (left > 0) this.#watchIdle(left);
      else if (this.#onIdle.every((may) => may())) this.stop();
      else this.#armIdle();
    });
  }

  #context(epoch: number): ActorContext {
    const host = this.#host;
    const self = this.address;
    const signal = this.#abort.signal;
    const trace = () => this.#current?.trace;
    /** What a former owner says must not be taken for what the owner of now says. */
    const refused = () => this.lapsed ? Promise.reject(ownershipOver(self, this.owned)) : undefined;
    const sender: Pick<ActorContext, "tell" | "ask"> = {
      tell: (to, message, options = {}) =>
        refused() ?? host.tell(self, to, message, options, trace()),
      ask: (to, message, options = {}) =>
        refused() ?? host.ask(
          self,
          to,
          message,
          { ...options, signal: either(options.signal, signal) },
          trace(),
        ),
    };
    return {
      self,
      epoch,
      signal,
      ...sender,
      ...refsOver(sender),
      after: (ms, fn) => {
        const cancel = host.clock.after(ms, () => {
          this.#timers.delete(cancel);
          this.mailbox.put(() => signal.aborted ? undefined : fn()); // a crash may come before its turn
          this.wake();
        });
        this.#timers.add(cancel);
        return () => {
          this.#timers.delete(cancel);
          cancel();
        };
      },
      now: () => host.clock.now(),
      random: () => host.random(),
      resource: <T>(name: string) => {
        // A resource that is there but undefined is as good as none: the actor would fail later,
        // and less clearly.
        if (this.#resources[name] === undefined) {
          throw noResource(self, name, Object.keys(this.#resources));
        }
        return this.#resources[name] as T;
      },
      onStop: (fn) => void this.#onStop.push(fn),
      onIdle: (fn) => void this.#onIdle.push(fn),
      stop: () => this.stop(),
    };
  }
}

function either(a: AbortSignal | undefined, b: AbortSignal): AbortSignal {
  return a ? AbortSignal.any([a, b]) : b;
}
