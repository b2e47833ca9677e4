/**
 * What is kept of one actor, as its activation has it in memory, and when it is saved.
 *
 * Handlers change it and wait for nothing. When a handler ends, what it changed is committed: it is
 * to be saved, and the handler's answer waits for that. One save runs at a time; whatever was
 * committed meanwhile goes into the next one, so many messages share a save. A crash takes back
 * what was not committed. When a save fails nobody knows what the registry has, so the activation
 * ends and the next one reads.
 *
 * @module
 */
import type { Delivery } from "./delivery.ts";
import {
  ALARM_TRIES,
  type DurableOptions,
  type DurableRecord,
  KEPT_ANSWER_BYTES,
  KEPT_ANSWERS,
  type KeptActor,
  type KeptAlarm,
  type KeptAnswer,
  NOTHING_KEPT,
} from "./durable.ts";
import { answerNotKept, notSaved } from "./durable_errors.ts";
import { type DurableDefinition, DurableView, inOrder } from "./durable_view.ts";
import { OrreryError } from "./errors.ts";
import { jsonText } from "./json_value.ts";

/** Milliseconds until an alarm comes again whose handler has crashed; twice as long each time. */
const RETRY_MS = 1_000;

/** What a {@linkcode DurableMemory} is made of. */
export interface DurableMemoryOptions {
  self: string;
  /** Epoch of the activation. */
  epoch: number;
  definition: DurableDefinition;
  options: DurableOptions;
  record: DurableRecord;
  /** Unix time, milliseconds. */
  date(): number;
  /** Told when the first alarm is due; undefined: there is none. */
  onAlarm(at: number | undefined): void;
  /** Told once that a save has failed. */
  onFailure(error: OrreryError): void;
}

/** See the module's text. */
export class DurableMemory {
  /** What the actor sees of it. */
  readonly view: DurableView;
  readonly #init: DurableMemoryOptions;
  #now: KeptActor;
  /** How often `#now` has changed. */
  #version = 0;
  #committed: { actor: KeptActor; version: number };
  /** The version that is saved. */
  #saved = 0;
  #saving?: Promise<void>;
  #failed?: OrreryError;
  /** The alarm whose handler runs: it stays in what is saved until that has ended. */
  #ringing?: KeptAlarm;

  /** Throws `bad_state` where what is kept does not fit the definition. */
  constructor(init: DurableMemoryOptions) {
    const { self, epoch, definition, options, record } = init;
    this.#init = init;
    this.#now = record.kept ?? NOTHING_KEPT;
    this.#committed = { actor: this.#now, version: 0 };
    this.view = new DurableView({
      self,
      epoch,
      definition,
      kept: this.#now,
      stateBytes: options.stateBytes,
      alarms: options.alarms,
      saved: async () => await this.commit(),
      changed: (seen) => this.#change(seen),
    });
    this.#tellAlarm();
  }

  /**
   * Has everything so far saved. Undefined: it is saved already. The promise rejects with
   * `state_not_saved`.
   */
  commit(): Promise<void> | undefined {
    const ringing = this.#ringing;
    const alarms = ringing && [ringing, ...this.#now.alarms];
    const actor = alarms ? { ...this.#now, alarms } : this.#now;
    if (this.#saved >= this.#version) return undefined;
    if (this.#failed) return Promise.reject(this.#failed);
    this.#committed = { actor, version: this.#version };
    return this.#savedUpTo(this.#version);
  }

  /** Takes back what was not committed: the handler that changed it has crashed. */
  rollback(): void {
    const ringing = this.#ringing;
    this.#ringing = undefined;
    const { actor } = this.#committed;
    if (actor !== this.#now) this.#change(actor);
    if (ringing) this.#putOff(ringing);
    this.view.show(this.#now);
    void this.commit()?.catch(() => {}); // whoever waits for it is told
  }

  /**
   * Ends it: what was committed is saved, and whatever is changed from now on is refused. Waits for
   * the save and does not reject. `all`: what was not committed is saved, too.
   */
  async close(all: boolean): Promise<void> {
    if (all) this.commit()?.catch(() => {});
    await this.#savedUpTo(this.#committed.version).catch(() => {});
    this.#failed ??= notSaved(this.#init.self, "this activation is over");
  }

  /** When the first alarm is due, Unix time in milliseconds; undefined: there is none. */
  get next(): number | undefined {
    return this.#now.alarms[0]?.at;
  }

  /** Takes the first alarm that is due off the list; its handler runs now. */
  ring(): KeptAlarm | undefined {
    const first = this.#now.alarms[0];
    if (first === undefined || first.at > this.#init.date()) return undefined;
    this.#ringing = first;
    this.#change({ alarms: this.#now.alarms.filter((alarm) => alarm !== first) });
    this.view.show(this.#now);
    return first;
  }

  /** The handler of that alarm has ended, and the alarm with it. */
  rung(): void {
    this.#ringing = undefined;
    this.#change({});
  }

  /** Is there another alarm that is due? */
  get due(): boolean {
    return (this.#now.alarms[0]?.at ?? Infinity) <= this.#init.date();
  }

  /** What this message was answered before; undefined: it is new, or has no key. */
  answerTo({ type, key }: Delivery): KeptAnswer | undefined {
    if (key === undefined) return undefined;
    const id = `${type} ${key}`;
    return this.#now.answers.find((answer) => answer.id === id);
  }

  /** Keeps what a message with a key is answered: a value, or the error that was thrown. */
  keepAnswer(
    { to, type, key }: Delivery,
    answer: { value: unknown } | { error: OrreryError },
  ): void {
    if (key === undefined) return;
    const id = `${type} ${key}`;
    const answers = [...this.#now.answers, keptAnswer(id, { to, type }, answer)];
    let bytes = 0;
    const first = answers.findLastIndex((kept, i) => {
      bytes += JSON.stringify(kept).length;
      return bytes > KEPT_ANSWER_BYTES || answers.length - i > KEPT_ANSWERS;
    });
    this.#change({ answers: answers.slice(first + 1) });
  }

  /** An alarm whose handler crashed comes again later, or no more. */
  #putOff(alarm: KeptAlarm): void {
    const crashes = alarm.crashes + 1;
    const others = this.#now.alarms.filter((one) => one !== alarm);
    const at = this.#init.date() + RETRY_MS * 2 ** (crashes - 1);
    const alarms = crashes < ALARM_TRIES ? inOrder([...others, { ...alarm, at, crashes }]) : others;
    this.#change({ alarms });
  }

  #change(change: Partial<KeptActor>): void {
    this.#now = { ...this.#now, ...change };
    this.#version++;
  }

  async #savedUpTo(version: number): Promise<void> {
    while (this.#saved < version) {
      if (this.#failed) throw this.#failed;
      await (this.#saving ??= this.#save());
    }
  }

  async #save(): Promise<void> {
    const { self, record, onFailure } = this.#init;
    await undefined; // handlers that end in the same turn of the event loop share the save
    const { actor, version } = this.#committed;
    try {
      await record.save(actor);
      this.#saved = version;
      this.#tellAlarm();
    } catch (error) {
      this.#failed = error instanceof OrreryError && error.code === "state_not_saved"
        ? error
        : notSaved(self, (error as Error).message, error);
      onFailure(this.#failed);
      throw this.#failed;
    } finally {
      this.#saving = undefined;
    }
  }

  #tellAlarm(): void {
    this.#init.onAlarm(this.#committed.actor.alarms[0]?.at);
  }
}

/** Has each send wait until all changes before it are saved; sends keep their order. */
export function gateOf(memory: DurableMemory): <T>(send: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> | undefined;
  return (send) => {
    const saved = memory.commit();
    if (!saved && !last) return send();
    const ready = Promise.all([last, saved]);
    const mine = last = ready.catch(() => {});
    void mine.then(() => {
      if (last === mine) last = undefined;
    });
    return ready.then(send);
  };
}

/** Reads a kept answer. Throws the error that the handler threw. */
export function readAnswer({ value, error }: KeptAnswer): unknown {
  if (error) throw OrreryError.fromWire(error);
  return value === undefined ? undefined : JSON.parse(value);
}

function keptAnswer(
  id: string,
  { to, type }: { to: string; type: string },
  answer: { value: unknown } | { error: OrreryError },
): KeptAnswer {
  if ("error" in answer) return { id, error: answer.error.toWire() };
  if (answer.value === undefined) return { id };
  try {
    const value = jsonText(answer.value, "the answer");
    if (value.length <= KEPT_ANSWER_BYTES / 2) return { id, value };
    const why = `it has ${value.length} bytes as JSON, ${KEPT_ANSWER_BYTES / 2} are kept`;
    return { id, error: answerNotKept(to, type, why).toWire() };
  } catch (error) {
    return { id, error: answerNotKept(to, type, (error as Error).message).toWire() };
  }
}
