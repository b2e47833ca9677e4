/**
 * Admission: limits how many generations run at the same time and how many wait. Further requests
 * are refused as `busy` at once.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

/** How many generations may run, and how many may wait for their turn. */
export interface AdmissionLimits {
  /** Generations that run at the same time. */
  active: number;
  /** Generations that wait. */
  queued: number;
}

/** A counting semaphore with a bounded first-in-first-out queue. */
export class Admission {
  readonly #limits: AdmissionLimits;
  /** Functions that let the waiting requests in, oldest first. */
  readonly #queue: (() => void)[] = [];
  #active = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** Largest number of generations that run at the same time. */
  get most(): number {
    return this.#limits.active;
  }

  /** Generations that run now. */
  get active(): number {
    return this.#active;
  }

  /** Generations that wait now. */
  get queued(): number {
    return this.#queue.length;
  }

  /**
   * Waits for a place; disposing of the result gives it back. Throws group `api`, code `busy`
   * (metadata: `active`, `queued`, `limit`, `retry_after_s`) where the queue is full, or the
   * signal's reason.
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
        if (next) next(); // the next one takes this place, so `#active` stays
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
