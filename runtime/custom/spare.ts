/**
 * A worker that waits, its module loaded: an activation begins without the tenth of a second that a
 * worker takes to start.
 *
 * @module
 */
import { type LinkOptions, WorkerLink } from "./worker_link.ts";

/** At most one worker in waiting. */
export class Spare {
  readonly #options: LinkOptions;
  #waiting?: Promise<WorkerLink>;
  #closed = false;

  /** `first`: a worker that has loaded the module already. */
  constructor(options: LinkOptions, first?: WorkerLink) {
    this.#options = options;
    if (first) this.#waiting = Promise.resolve(first);
  }

  /** The one in waiting, or a new one. Throws as {@linkcode WorkerLink.open}. */
  async take(): Promise<WorkerLink> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    const link = await waiting?.catch(() => undefined); // a new one will say what is wrong
    return link?.alive ? link : await WorkerLink.open(this.#options);
  }

  /** Starts the next one, unless there is one. */
  refill(): void {
    if (this.#closed || this.#waiting) return;
    this.#waiting = WorkerLink.open(this.#options);
    this.#waiting.catch(() => {}); // `take` asks again
  }

  /** Ends the one in waiting. */
  async close(): Promise<void> {
    this.#closed = true;
    const link = await this.#waiting?.catch(() => undefined);
    link?.kill();
  }
}
