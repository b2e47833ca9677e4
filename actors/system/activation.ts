/**
 * One activation of an actor: its turns, its timers, its restarts, its end.
 *
 *     starting -> idle <-> running -> stopped
 *                  ^        |
 *                  +--crash-+   (new behaviour, same mailbox)
 *
 * @module
 */
import { type ContextHost, contextOf } from "./activation_context.ts";
import type { ActivationInit } from "./activation_init.ts";
import type { Address } from "./address.ts";
import type { ActorContext } from "./context.ts";
import type { AnyActor, AnyBehaviour } from "./define.ts";
import { Delivery } from "./delivery.ts";
import type { DurableOptions } from "./durable.ts";
import { keepsNoAnswers, noStore } from "./durable_errors.ts";
import { DurableMemory, readAnswer } from "./durable_memory.ts";
import { hasCode, OrreryError, toOrreryError } from "./errors.ts";
import { IdleWatch } from "./idle_watch.ts";
import { Mailbox } from "./mailbox.ts";
import type { Ownership } from "./ownership.ts";
import { actorStopped, invalidMessage, ownershipOver } from "./refusals.ts";
import { Restarts } from "./restarts.ts";

/** What an activation needs from its system. */
export interface ActivationHost extends ContextHost {
  schedule(turn: () => void): void;
  /** The epoch of a behaviour that is created now; it is greater than those before. */
  nextEpoch(ownership: Ownership | undefined): number;
  /** A message has left the mailbox, so its sender may get its credit back. */
  taken(delivery: Delivery): void;
  dead(delivery: Delivery, error: OrreryError): void;
  crashed(address: string, error: OrreryError): void;
  /** The actor's first alarm is due at this Unix time in milliseconds; undefined: it has none. */
  alarm(address: string, at: number | undefined): void;
  /** The activation is over; `rest` are the messages that it did not handle. */
  ended(activation: Activation, rest: Delivery[]): void;
}

/** Most answers that wait for their state to be saved; then the actor waits for them. */
const MOST_UNSAVED = 1_024;

/** An actor between its first message and its end. The system makes a new one after the end. */
export class Activation {
  readonly address: Address;
  /** Epoch of the ownership under which it was begun; messages with an older one are refused. */
  readonly ownerEpoch: number;
  readonly definition: AnyActor;
  readonly mailbox: Mailbox<Delivery | (() => unknown)>;
  /** Counts its crashes, after too many of which it refuses messages. */
  readonly restarts: Restarts;

  readonly #host: ActivationHost;
  readonly #ownership?: Ownership;
  readonly #config: unknown;
  readonly #resources: Record<string, unknown>;
  readonly #durable?: DurableOptions;
  /** What is kept of the actor; undefined: it declares neither state nor alarms. */
  #memory?: DurableMemory;
  /** Answers that wait for their state to be saved. */
  #unsaved = 0;
  /** Messages with a key whose handlers run, and what they will be answered. */
  readonly #answering = new Map<string, Promise<unknown>>();
  /** Is the actor to look for alarms that are due? */
  #ringing = false;
  #behaviour?: AnyBehaviour;
  #epoch = 0;
  #running = false;
  /** How many handlers of concurrent messages run now. */
  #beside = 0;
  /** A handler crashed while others ran, for which the behaviour lives on until they have ended. */
  #crashed?: OrreryError;
  #ended = false;
  #stopping = false;
  /** Does it end once the handlers that run have answered? */
  #finishing = false;
  /** When its last turn ended, milliseconds. */
  #lastTurn = 0;
  #abort = new AbortController();
  #onStop: (() => unknown)[] = [];
  #onIdle: (() => boolean)[] = [];
  #timers = new Set<() => void>();
  readonly #idle: IdleWatch;
  #current?: Delivery;
  #done = Promise.withResolvers<void>();
  readonly #onLapse = () => {
    const reason = ownershipOver(this.address, this.ownerEpoch);
    this.#refuseAll(reason); // at once, as the handler that runs may heed nothing
    this.kill(reason);
  };

  constructor(
    host: ActivationHost,
    { address, ownerEpoch, ownership, definition, config, resources, durable }: ActivationInit,
  ) {
    this.#host = host;
    this.address = address;
    this.ownerEpoch = ownerEpoch;
    this.definition = definition;
    this.#ownership = ownership;
    this.#config = config;
    this.#resources = resources;
    this.#durable = durable;
    const { mailbox = 64, idleMs = 0, restarts } = definition.policy ?? {};
    this.mailbox = new Mailbox(mailbox);
    this.restarts = new Restarts(restarts);
    this.#idle = new IdleWatch({
      clock: host.clock,
      idleMs,
      busy: () => this.#running || this.#beside > 0 || this.mailbox.size > 0,
      mayEnd: () => this.#onIdle.every((may) => may()),
      end: () => this.stop(),
    });
    ownership?.signal.addEventListener("abort", this.#onLapse, { once: true });
  }

  /** Epoch of its behaviour, which is created anew after a crash; 0: it was not created yet. */
  get epoch(): number {
    return this.#epoch;
  }

  /** When its last turn ended, milliseconds of the system's clock. */
  get lastTurn(): number {
    return this.#lastTurn;
  }

  /** Does it handle nothing, and may it end as far as its own functions say? */
  get mayIdle(): boolean {
    return !this.#running && !this.#ended && !this.#finishing && this.#beside === 0 &&
      this.mailbox.size === 0 && this.#unsaved === 0 && this.#onIdle.every((may) => may());
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

  /** Handles the alarms that are due, each in a turn of its own. */
  ring(): void {
    if (this.#ringing || this.#ended) return;
    this.#ringing = true;
    this.mailbox.put(() => this.#ring());
    this.wake();
  }

  /**
   * Ends once the handlers that run have answered; what waits in its mailbox is for the next
   * activation.
   */
  finish(): void {
    this.#finishing = true;
    this.wake();
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
      if (!this.#stopping && !this.#finishing) await this.#handleNext();
    } finally {
      this.#running = false;
      this.#lastTurn = this.#host.clock.now();
      if (this.#finishing && this.#beside === 0) this.#stopping = true;
      if (this.#stopping) await this.#end();
      else if (!this.#finishing) { // else the last handler wakes it
        if (this.mailbox.size > 0) this.wake();
        else this.#armIdle();
      }
    }
  }

  async #handleNext(): Promise<void> {
    if (!this.#behaviour && !await this.#start()) return;
    const next = this.mailbox.take();
    if (next === undefined) return;
    if (typeof next === "function") {
      try {
        await next();
        this.#memory?.commit()?.catch(() => {}); // a failure ends the activation
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
      if (this.#crashed && this.#beside === 0) {
        this.mailbox.put(() => this.#beginAnew(), true);
        this.wake();
      }
      if (this.#finishing) this.wake();
      else if (!this.#running) this.#armIdle();
    });
  }

  /** Runs a handler. `ended`: told when it has ended otherwise than by a crash, before the save. */
  async #run(delivery: Delivery, ended?: () => void): Promise<void> {
    const { signal } = this.#abort;
    const memory = this.#memory;
    delivery.begin(signal);
    try {
      this.#current = delivery; // seen by what the handler sends before its first await
      const result = await (delivery.key === undefined
        ? this.#behaviour![delivery.type](delivery.body, delivery)
        : this.#once(delivery));
      // What a handler did after its ownership ended, or after a crash, may not be there to stay:
      // another activation goes on from what was written before.
      if (signal.aborted && !hasCode(signal.reason, "stopped")) {
        throw signal.reason;
      }
      ended?.();
      const saved = memory?.commit();
      const answer = () =>
        delivery.origin.resolve(result);
      if (saved) await this.#whenSaved(delivery, saved, answer);
      else answer();
    } catch (caught) {
      const error = toOrreryError(caught, this.address);
      const crash = !(caught instanceof OrreryError);
      const tell = () => {
        delivery.origin.reject(error);
        if (delivery.origin.kind === "tell" || error.code === "internal") {
          this.#host.dead(delivery, error);
        }
      };
      if (!crash && !signal.aborted) ended?.();
      const saved = crash || signal.aborted ? undefined : memory?.commit();
      if (!saved) tell();
      else await this.#whenSaved(delivery, saved, tell);
      if (crash && !signal.aborted) await this.#crash(error, delivery);
    } finally {
      if (this.#current === delivery) this.#current = undefined;
      delivery.end();
    }
  }

  /**
   * Answers once what the answer depends on is saved. The turn does not wait for that, unless many
   * do already.
   */
  async #whenSaved(delivery: Delivery, saved: Promise<void>, answer: () => void): Promise<void> {
    this.#unsaved++;
    const answered = saved.then(() => {
      // The registry took it as the owner's; the answer is the owner's too, or nobody's.
      if (this.lapsed) throw ownershipOver(this.address, this.ownerEpoch);
      answer();
    }).catch((error) => {
      delivery.origin.reject(error);
      if (delivery.origin.kind === "tell") this.#host.dead(delivery, error);
    }).finally(() => void this.#unsaved--);
    if (this.#unsaved >= MOST_UNSAVED) await answered;
  }

  /** Handles a message with a key, unless it was handled before: then its answer is the same. */
  #once(delivery: Delivery): Promise<unknown> {
    const memory = this.#memory;
    const { to, type, key } = delivery;
    if (!memory) throw keepsNoAnswers(to, type);
    const kept = memory.answerTo(delivery);
    if (kept) return Promise.resolve().then(() => readAnswer(kept));
    const id = `${type} ${key}`;
    const running = this.#answering.get(id);
    if (running) return running;
    const handle = async () => {
      try {
        const value = await this.#behaviour![type](delivery.body, delivery);
        memory.keepAnswer(delivery, { value });
        return value;
      } catch (error) {
        if (error instanceof OrreryError) memory.keepAnswer(delivery, { error });
        throw error;
      } finally {
        if (this.#answering.get(id) === answer) this.#answering.delete(id);
      }
    };
    const answer = Promise.resolve().then(handle);
    this.#answering.set(id, answer);
    return answer;
  }

  /** Handles the first alarm that is due. */
  async #ring(): Promise<void> {
    this.#ringing = false;
    const memory = this.#memory;
    const alarm = memory?.ring();
    if (!memory || !alarm) return this.#host.alarm(this.address, memory?.next);
    const { message: { type, ...fields } } = alarm;
    const parsed = this.definition.messages[type]?.safeParse(fields);
    const delivery = this.#ownDelivery(type, parsed?.data ?? fields, alarm.name);
    if (parsed?.success) await this.#run(delivery, () => memory.rung());
    else {
      const issue = parsed?.error.issues[0] ?? { path: [], message: "there is no such message" };
      this.#host.dead(delivery, invalidMessage(this.address, type, issue));
      memory.rung();
    }
    if (memory.due && this.#memory === memory) this.ring(); // after a crash it is rung again
  }

  /** A message of the actor to itself, which nobody waits for. */
  #ownDelivery(type: string, body: unknown, alarm?: string): Delivery {
    return new Delivery(this.#host.clock, {
      to: this.address,
      from: this.address,
      type,
      body,
      alarm,
      origin: { id: 0, kind: "tell", credited: false, resolve: () => {}, reject: () => {} },
    });
  }

  /**
   * Creates the behaviour. A typed error refuses what waits and ends the activation; anything else
   * is a crash.
   */
  async #start(): Promise<boolean> {
    try {
      this.#epoch = this.#host.nextEpoch(this.#ownership);
      const { state, alarms } = this.definition;
      if (state || alarms) this.#memory = await this.#recall(this.#epoch);
      this.#behaviour = await this.definition.create(
        this.#context(this.#epoch),
        this.definition.config.parse(this.#config),
      );
      return true;
    } catch (caught) {
      const error = toOrreryError(caught, this.address);
      this.#refuseAll(error);
      if (this.#ringing) this.#host.dead(this.#ownDelivery("alarm", {}), error);
      this.#ringing = false;
      if (caught instanceof OrreryError) this.#stopping = true;
      else await this.#crash(error);
      return false;
    }
  }

  /** Reads what is kept of the actor. Throws `no_store`, and what the store throws. */
  async #recall(epoch: number): Promise<DurableMemory> {
    const { address: self, definition } = this;
    const options = this.#durable;
    if (!options) throw noStore(self);
    return new DurableMemory({
      self,
      epoch,
      definition,
      options,
      record: await options.store.open(self, { epoch, signal: this.#abort.signal }),
      date: () => this.#host.date(),
      onAlarm: (at) => this.#host.alarm(self, at),
      onFailure: (error) => this.kill(error),
    });
  }

  /** Makes way for a new behaviour, if the handlers that ran beside a crash have ended. */
  async #beginAnew(): Promise<void> {
    if (this.#crashed && this.#beside === 0) await this.#teardown(this.#crashed);
  }

  /** `delivery`: the message whose handler crashed; undefined: it was something else. */
  async #crash(error: OrreryError, delivery?: Delivery): Promise<void> {
    this.#host.crashed(this.address, error);
    const { crashIsAnswer } = this.definition.policy ?? {};
    const answers = crashIsAnswer && delivery;
    const others = this.#beside -
      (delivery && this.definition.concurrent?.includes(delivery.type) ? 1 : 0);
    // A state of which a part is to be taken back ends the others, too.
    if (answers && others > 0 && !this.#memory) return void (this.#crashed = error);
    await this.#teardown(error);
    if (answers) return;
    const failed = this.restarts.crashed(this.address, this.#host.clock.now());
    if (failed) this.#refuseAll(failed);
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
    const memory = this.#memory;
    // A crash, a failed save and an ownership that is over take back what was not committed.
    const orderly = this.#behaviour !== undefined && !this.#abort.signal.aborted &&
      hasCode(reason, "stopped");
    if (!orderly) memory?.rollback();
    this.#memory = undefined;
    this.#crashed = undefined;
    this.#answering.clear();
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
    if (memory) await memory.close(orderly);
    this.#abort = new AbortController();
  }

  async #end(): Promise<void> {
    this.#ended = true;
    this.#ownership?.signal.removeEventListener("abort", this.#onLapse);
    this.#idle.close();
    await this.#teardown(actorStopped(this.address));
    this.#host.ended(this, this.mailbox.drain().filter((item) => typeof item !== "function"));
    this.#done.resolve();
  }

  /** Nothing is to be done now, unless a handler still runs beside the turns. */
  #armIdle(): void {
    if (!this.#ended && this.#beside === 0) this.#idle.begin();
  }

  #context(epoch: number): ActorContext {
    const { signal } = this.#abort;
    return contextOf({
      host: this.#host,
      self: this.address,
      epoch,
      signal,
      resources: this.#resources,
      memory: this.#memory,
      over: () => this.lapsed ? ownershipOver(this.address, this.ownerEpoch) : undefined,
      trace: () => this.#current?.trace,
      after: (ms, turn) => {
        const cancel = this.#host.clock.after(ms, () => {
          this.#timers.delete(cancel);
          // A crash may come before its turn.
          this.mailbox.put(() => signal.aborted ? undefined : turn());
          this.wake();
        });
        this.#timers.add(cancel);
        return () => {
          this.#timers.delete(cancel);
          cancel();
        };
      },
      onStop: (fn) => void this.#onStop.push(fn),
      onIdle: (fn) => void this.#onIdle.push(fn),
      stop: () => this.stop(),
    });
  }
}
