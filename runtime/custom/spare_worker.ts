/**
 * A worker that has loaded its module and waits for an activation. With it, an activation need not
 * wait for a worker to start, which takes about 100 ms.
 *
 * @module
 */
import { type LinkOptions, WorkerLink } from "./worker_link.ts";

/** Keeps at most one worker of an actor ready. */
export class SpareWorker {
  readonly #options: LinkOptions;
  #waiting?: Promise<WorkerLink>;
  #closed = false;

  /** `first`: a worker that has loaded the module already; undefined: none is ready yet. */
  constructor(options: LinkOptions, first?: WorkerLink) {
    this.#options = options;
    if (first) this.#waiting = Promise.resolve(first);
  }

  /** The spare worker, or else a new one. Throws as {@linkcode WorkerLink.open}. */
  async take(): Promise<WorkerLink> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    const link = await waiting?.catch(() => undefined); // `open` below then throws what is wrong
    return link?.alive ? link : await WorkerLink.open(this.#options);
  }

  /** Starts the next spare worker, unless there is one. */
  refill(): void {
    if (this.#closed || this.#waiting) return;
    this.#waiting = WorkerLink.open(this.#options);
    this.#waiting.catch(() => {}); // `take` then opens another one
  }

  /** Ends the spare worker: nobody will take it soon. */
  async empty(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    const link = await waiting?.catch(() => undefined);
    link?.kill();
  }

  /** Ends the spare worker, and starts no more. */
  async close(): Promise<void> {
    this.#closed = true;
    const link = await this.#waiting?.catch(() => undefined);
    link?.kill();
  }
}
