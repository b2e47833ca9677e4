/**
 * Rings the alarms of a node's actors, also of those that are not active.
 *
 * It knows of each actor when its first alarm is due. What it knows may be out of date; whoever is
 * rung for nothing says so. An actor that does not say anything is rung again.
 *
 * @module
 */
import type { Clock } from "./envelope.ts";

/** Milliseconds after which an actor is rung again that has not said when its next alarm is. */
const AGAIN_MS = 5_000;
/** Longest time between two looks, milliseconds: the date may jump, and timers have an end. */
const LOOK_MS = 30_000;

/** What an {@linkcode AlarmClock} needs. */
export interface AlarmClockOptions {
  clock: Clock;
  /** Unix time, milliseconds. */
  date(): number;
  /** Has the actor handle its alarms. Returns false where it is not known here: it is forgotten. */
  ring(to: string): boolean;
}

/** See the module's text. */
export class AlarmClock {
  readonly #options: AlarmClockOptions;
  /** When each actor's first alarm is due, Unix time in milliseconds. */
  readonly #due = new Map<string, number>();
  #cancel?: () => void;
  /** When the timer fires, Unix time in milliseconds. */
  #lookAt = Infinity;
  #closed = false;

  constructor(options: AlarmClockOptions) {
    this.#options = options;
  }

  /** The first alarm of this actor is due at that time; undefined: it has none. */
  set(to: string, at: number | undefined): void {
    if (at === undefined) return void this.#due.delete(to);
    this.#due.set(to, at);
    this.#arm(at);
  }

  /** Rings no more. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#due.clear();
  }

  #arm(at: number): void {
    if (at >= this.#lookAt || this.#closed) return;
    this.#cancel?.();
    const { clock, date } = this.#options;
    const ms = Math.min(LOOK_MS, Math.max(0, at - date()));
    this.#lookAt = date() + ms;
    this.#cancel = clock.after(ms, () => this.#look());
  }

  #look(): void {
    this.#lookAt = Infinity;
    this.#cancel = undefined;
    const { date, ring } = this.#options;
    const now = date();
    const due = [...this.#due].filter(([, at]) => at <= now).sort(([, a], [, b]) => a - b);
    for (const [to] of due) {
      this.#due.set(to, now + AGAIN_MS);
      if (!ring(to)) this.#due.delete(to);
    }
    let next = Infinity;
    for (const at of this.#due.values()) next = Math.min(next, at);
    if (next < Infinity) this.#arm(next);
  }
}
