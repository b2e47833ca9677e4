/**
 * An actor's mailbox: a queue for urgent messages and one for the others, each first in, first
 * out. When it is full, local senders wait.
 *
 * @module
 */
interface Waiter<T> {
  item: T;
  accept: () => void;
  unlisten: () => void;
}

/**
 * A bounded queue of messages. Remote messages do not wait here: their senders' credits bound them.
 */
export class Mailbox<T> {
  readonly #capacity: number;
  readonly #urgent: T[] = [];
  readonly #items: T[] = [];
  readonly #waiters: Waiter<T>[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Messages queued, waiting senders not counted. */
  get size(): number {
    return this.#urgent.length + this.#items.length;
  }

  /** Local senders that wait for a place. */
  get waiting(): number {
    return this.#waiters.length;
  }

  /** Puts without waiting: urgent messages, and remote ones that hold credit. */
  put(item: T, urgent = false): void {
    (urgent ? this.#urgent : this.#items).push(item);
  }

  /** Is there a place for an item of a local sender now? */
  get open(): boolean {
    return this.#items.length < this.#capacity && this.#waiters.length === 0;
  }

  /** Resolves when the item has its place; rejects with the signal's reason if that comes first. */
  async offer(item: T, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.open) {
      this.#items.push(item);
      return;
    }
    await new Promise<void>((accept, reject) => {
      const waiter: Waiter<T> = {
        item,
        accept,
        unlisten: () => signal?.removeEventListener("abort", abort),
      };
      const abort = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  /**
   * Takes the next message, urgent ones first, and lets the first waiting sender put its message.
   * Undefined when there is none.
   */
  take(): T | undefined {
    const urgent = this.#urgent.shift();
    if (urgent !== undefined) return urgent;
    const item = this.#items.shift();
    this.#admit();
    return item;
  }

  /**
   * Empties the mailbox and returns its messages, those of waiting senders included. Those senders
   * no longer wait.
   */
  drain(): T[] {
    const all = [...this.#urgent.splice(0), ...this.#items.splice(0)];
    for (const waiter of this.#waiters.splice(0)) {
      waiter.unlisten();
      all.push(waiter.item);
      waiter.accept();
    }
    return all;
  }

  #admit(): void {
    while (this.#items.length < this.#capacity) {
      const waiter = this.#waiters.shift();
      if (!waiter) return;
      waiter.unlisten();
      this.#items.push(waiter.item);
      waiter.accept();
    }
  }
}
