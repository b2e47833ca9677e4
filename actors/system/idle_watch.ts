/**
 * Notices that an activation has had nothing to do for long.
 *
 * One timer runs through many turns, since setting one anew after each message would cost more than
 * the rest of a turn.
 *
 * @module
 */
import type { Clock } from "./envelope.ts";

/** Options of {@linkcode IdleWatch}. */
export interface IdleWatchOptions {
  clock: Clock;
  /** Milliseconds without anything to do after which the activation ends; 0: it never does so. */
  idleMs: number;
  /** Does a handler run, or a message wait? Then {@linkcode IdleWatch.begin} is called after it. */
  busy(): boolean;
  /** May the activation end, as far as the actor says? */
  mayEnd(): boolean;
  /** Ends the activation. */
  end(): void;
}

/** See the module's text. */
export class IdleWatch {
  readonly #options: IdleWatchOptions;
  /** Since when nothing is to be done, milliseconds. */
  #since = 0;
  /** Cancels the timer; undefined: none is set. */
  #cancel?: () => void;

  constructor(options: IdleWatchOptions) {
    this.#options = options;
  }

  /** From now on there is nothing to do. */
  begin(): void {
    const { clock, idleMs } = this.#options;
    if (idleMs <= 0) return;
    this.#since = clock.now();
    if (!this.#cancel) this.#look(idleMs);
  }

  /** Looks no more: the activation is over. */
  close(): void {
    this.#cancel?.();
  }

  /** Looks after `ms` whether it has been idle for long enough. */
  #look(ms: number): void {
    const { clock, idleMs, busy, mayEnd, end } = this.#options;
    this.#cancel = clock.after(ms, () => {
      this.#cancel = undefined;
      if (busy()) return;
      const left = this.#since + idleMs - clock.now();
      if (left > 0) this.#look(left);
      else if (mayEnd()) end();
      else this.begin();
    });
  }
}
