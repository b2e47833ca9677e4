/**
 * Lets one request through at a time, with a pause after each that is a multiple of the time that it
 * took. So whatever the link, the disks and the processors are, requests take at most a stated share
 * of the time, and whatever else uses these has the rest.
 *
 * @module
 */
import type { Clock } from "../../actors/mod.ts";

/**
 * Share of the time, 0 to 1, in which weights may travel while a request runs: a generation must
 * lose less than a tenth of its speed, and a fetch costs some processor time after its requests.
 */
export const SHARE = 1 / 12;
/** Longest time of a request that its pause is reckoned from, milliseconds. */
const MOST_MS = 250;
/** A request that takes longer, in milliseconds, no longer holds up the others. */
const STUCK_MS = 1_000;
/** Milliseconds between two looks at whether the limit still holds. */
const LOOK_MS = 100;

/** Waits as long as {@linkcode SHARE} demands after work of `ms` milliseconds. */
export function pauseOf(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(Math.min(MOST_MS, ms) * (1 / SHARE - 1), resolve);
  const end = () => {
    cancel();
    resolve();
  };
  signal.addEventListener("abort", end, { once: true });
  return promise.finally(() => signal.removeEventListener("abort", end));
}

/** See the module's text. */
export class Pacer {
  readonly #clock: Clock;
  #busy = false;
  /** When the pause is over, milliseconds of the clock. */
  #freeAt = 0;
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Waits for this caller's turn, or until there is no limit any more. The caller calls what it gets
   * when its request is over, with the number of nodes that share the time.
   */
  async turn(limited: () => boolean, signal: AbortSignal): Promise<(sharers: number) => void> {
    while (limited()) {
      signal.throwIfAborted();
      const now = this.#clock.now();
      if (!this.#busy && now >= this.#freeAt) return this.#begin(now);
      await this.#wait(this.#busy ? LOOK_MS : Math.min(LOOK_MS, this.#freeAt - now), signal);
    }
    return () => {};
  }

  #begin(began: number): (sharers: number) => void {
    this.#busy = true;
    let over = false;
    const end = (sharers: number) => {
      if (over) return;
      over = true;
      cancel();
      this.#busy = false;
      const now = this.#clock.now();
      this.#freeAt = now + Math.min(MOST_MS, now - began) * (sharers / SHARE - 1);
      for (const wake of [...this.#waiting]) wake();
    };
    const cancel = this.#clock.after(STUCK_MS, () => end(1));
    return end;
  }

  /** Resolves after `ms`, when a request is over, or when the signal fires. */
  #wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        cancel();
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const cancel = this.#clock.after(ms, wake);
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake);
    });
  }
}
