/**
 * The events of a task, with the silences between them.
 *
 * @module
 */
import type { ChoiceEvent } from "./dialect.ts";

/**
 * The events of a task in the order in which they arrive, then `end`. In between, `quiet` stands
 * for each `quietMs` milliseconds without an event.
 */
export class Steps {
  readonly #events: AsyncGenerator<ChoiceEvent, void>;
  readonly #quietMs: number;
  /** Events that `begin` has read and `next` has not yet given out. */
  readonly #early: (ChoiceEvent | "end")[] = [];
  /** The read under way; a `quiet` answer leaves it for the next call. */
  #pending?: Promise<ChoiceEvent | "end">;
  /** Ends the wait for an event, and when it began, milliseconds; undefined: nobody waits. */
  #waiting?: { since: number; quiet: () => void };
  /** One timer runs through many events: setting one anew for each would cost more than the rest. */
  #timer?: ReturnType<typeof setTimeout>;

  /** `quietMs`: milliseconds. */
  constructor(events: AsyncGenerator<ChoiceEvent, void>, quietMs: number) {
    this.#events = events;
    this.#quietMs = quietMs;
  }

  /** Waits until all choices have started, one of them has text, or `quietMs` have passed. */
  async begin(choices: number): Promise<void> {
    for (let started = 0; started < choices; started++) {
      const step = await this.#wait();
      if (step === "quiet") return;
      this.#early.push(step);
      if (step === "end" || step.event.type !== "started") return;
    }
  }

  /** Ends the generations; call it where nobody will call `next` again. */
  close(): void {
    clearTimeout(this.#timer);
    this.#events.return().catch(() => {});
  }

  /** The next event, `end`, or `quiet`. Throws what ended the generations. */
  async next(): Promise<ChoiceEvent | "end" | "quiet"> {
    return this.#early.shift() ?? await this.#wait();
  }

  async #wait(): Promise<ChoiceEvent | "end" | "quiet"> {
    const pending = this.#pending ??= this.#events.next()
      .then((result) => result.done ? "end" : result.value);
    if (this.#timer === undefined) this.#watch(this.#quietMs);
    let over = true;
    try {
      const step = await new Promise<ChoiceEvent | "end" | "quiet">((resolve, reject) => {
        this.#waiting = { since: performance.now(), quiet: () => resolve("quiet") };
        pending.then(resolve, reject);
      });
      if (step !== "quiet") this.#pending = undefined;
      over = step === "end";
      return step;
    } finally {
      this.#waiting = undefined;
      if (over) clearTimeout(this.#timer);
    }
  }

  /** Looks after `ms` milliseconds whether an event has been waited for long enough. */
  #watch(ms: number): void {
    this.#timer = setTimeout(() => {
      const waited = this.#waiting ? performance.now() - this.#waiting.since : 0;
      const left = this.#quietMs - waited;
      if (left < 1) this.#waiting?.quiet();
      this.#watch(left < 1 ? this.#quietMs : left);
    }, ms);
  }
}
