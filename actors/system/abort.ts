/**
 * A signal that a deadline, a parent signal or a call can abort, without leaking listeners on the
 * parent.
 *
 * @module
 */

import type { Clock } from "./envelope.ts";

/** A controller linked to parents until it is released. */
export class LinkedAbort {
  readonly #controller = new AbortController();
  readonly #unlink: (() => void)[] = [];

  constructor(...parents: (AbortSignal | undefined)[]) {
    for (const parent of parents) {
      if (!parent) continue;
      if (parent.aborted) {
        this.abort(parent.reason);
        continue;
      }
      const listener = () => this.abort(parent.reason);
      parent.addEventListener("abort", listener, { once: true });
      this.#unlink.push(() => parent.removeEventListener("abort", listener));
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason?: unknown): void {
    this.#controller.abort(reason);
    this.release();
  }

  /** Calls `fn` on release or abort (cancelling a timer). */
  onRelease(fn: () => void): void {
    this.#unlink.push(fn);
  }

  /** Aborts with `reason()` after `ms`, unless it is released first. */
  deadline(clock: Pick<Clock, "after">, ms: number, reason: () => unknown): void {
    this.onRelease(clock.after(ms, () => this.abort(reason())));
  }

  release(): void {
    for (const fn of this.#unlink.splice(0)) fn();
  }
}
