/**
 * Admission: how many generations run at once and how many may wait; beyond that the answer is
 * "busy", at once.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

/** A counting semaphore with a bounded first-in-first-out queue. */
export class Admission {
  readonly #limits: { active: number; queued: number };
  readonly #queue: (() => void)[] = [];
  #active = 0;

  constructor(limits: { active: number; queued: number }) {
    this.#limits = limits;
  }

  /** Generations that may run at once. */
  get most(): number {
    return this.#limits.active;
  }

  get active(): number {
    return this.#active;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /**
   * Waits for a place; dispose gives it back. Throws `busy` when the queue is full, or the signal's
   * reason.
   */
  async enter(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#active >= this.#limits.active) {
      if (this.#queue.length >= this.#limits.queued) throw this.#busy();
      await new Promise<void>((resolve, reject) => {
        const go = () => {
          signal.removeEventListener("abort", leave);
          resolve();
        };
        const leave = () => {
          this.#queue.splice(this.#queue.indexOf(go), 1);
          reject(signal.reason);
        };
        signal.addEventListener("abort", leave, { once: true });
        this.#queue.push(go);
      });
    } else {
      this.#active++;
    }
    let left = false;
    return {
      [Symbol.dispose]: () => {
        if (left) return;
        left = true;
        const next = this.#queue.shift();
        if (next) next(); // the place goes over, the count stays
        else this.#active--;
      },
    };
  }

  #busy(): OrreryError {
    const { active, queued } = this.#limits;
    return new OrreryError({
      group: "api",
      code: "busy",
      message:
        `${active} generations run and ${queued} wait, which is the limit; try again shortly`,
      metadata: {
        active: this.#active,
        queued: this.#queue.length,
        limit: active + queued,
        retry_after_s: 1,
      },
    });
  }
}
