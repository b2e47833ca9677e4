/**
 * An inbox: an address whose messages the outside takes one by one (an HTTP response stream, a
 * test).
 *
 * @module
 */
import type { CallerRule } from "./callers.ts";
import type { Delivery } from "./delivery.ts";
import { Mailbox } from "./mailbox.ts";

/** A message out of an inbox. */
export interface Received {
  /** Name of the message. */
  type: string;
  /** Sending actor's address, or "" for the outside. */
  from: string;
  /** Fields of the message; not validated, as an inbox has no schema. */
  body: unknown;
}

/**
 * Bounded like any mailbox: a reader that is slow makes its senders wait. Iterate it, or call
 * `next`. Closing it refuses later messages with `not_active`.
 */
export class Inbox implements AsyncIterable<Received> {
  /** Where actors send what shall come out here. */
  readonly address: string;
  /** Messages not taken yet. */
  readonly mailbox: Mailbox<Delivery>;
  /** Who on other nodes may send to it. */
  readonly callers: CallerRule;
  readonly #taken: (delivery: Delivery) => void;
  readonly #closed: (inbox: Inbox, rest: Delivery[]) => void;
  #wake?: () => void;
  #isClosed = false;
  /** The signal whose abort ends a wait: the one that `next` was last given. */
  #signal?: AbortSignal;
  readonly #onAbort = () => this.#wake?.();

  /**
   * Use {@linkcode ActorSystem.inbox}. `capacity` counts messages; `hooks` hear what was taken and
   * what was left.
   */
  constructor(
    address: string,
    { capacity, callers }: { capacity: number; callers: CallerRule },
    hooks: { taken(delivery: Delivery): void; closed(inbox: Inbox, rest: Delivery[]): void },
  ) {
    this.address = address;
    this.mailbox = new Mailbox(capacity);
    this.callers = callers;
    this.#taken = hooks.taken;
    this.#closed = hooks.closed;
  }

  /** Tells a waiting reader that a message was put. */
  wake(): void {
    this.#wake?.();
  }

  /** Next message; undefined once closed. Rejects with the signal's reason. */
  async next(signal?: AbortSignal): Promise<Received | undefined> {
    for (;;) {
      signal?.throwIfAborted();
      const delivery = this.mailbox.take();
      if (delivery) {
        this.#taken(delivery);
        delivery.origin.resolve(undefined);
        return { type: delivery.type, from: delivery.from, body: delivery.body };
      }
      if (this.#isClosed) return undefined;
      this.#listen(signal);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Listens to this signal from now on, and not anew for each message. */
  #listen(signal: AbortSignal | undefined): void {
    if (signal === this.#signal) return;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    signal?.addEventListener("abort", this.#onAbort);
    this.#signal = signal;
  }

  /** Messages in the order of arrival, until the inbox is closed. */
  async *[Symbol.asyncIterator](): AsyncIterator<Received> {
    for (let m = await this.next(); m; m = await this.next()) yield m;
  }

  /** Refuses what still waits and whatever comes later; `next` then gives undefined. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#listen(undefined);
    this.#closed(this, this.mailbox.drain());
    this.wake();
  }

  /** As {@linkcode Inbox.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}
