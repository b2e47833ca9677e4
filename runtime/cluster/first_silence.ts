/**
 * For how long a member has not heard the coordinator: before it votes for another first node, that
 * must be long (`runtime/succession`).
 *
 * @module
 */
import type { MailboxTransport } from "../mailbox/mod.ts";

/** Milliseconds between two looks: a link that is lost no longer says when it was heard. */
const LOOK_MS = 1_000;

/** See the module's text. */
export class FirstSilence {
  readonly #mailbox: Pick<MailboxTransport, "silentMs">;
  readonly #first: () => string | undefined;
  readonly #timer: ReturnType<typeof setInterval>;
  /** In milliseconds of `performance.now`; at first, when this node started. */
  #heardAt = performance.now();

  /** `first`: the coordinator, as far as this node knows. */
  constructor(mailbox: Pick<MailboxTransport, "silentMs">, first: () => string | undefined) {
    this.#mailbox = mailbox;
    this.#first = first;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Milliseconds since bytes last came from the coordinator. */
  get ms(): number {
    this.#look();
    return performance.now() - this.#heardAt;
  }

  /** Ends the timer. */
  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const node = this.#first();
    const silentMs = node === undefined ? undefined : this.#mailbox.silentMs(node);
    if (silentMs === undefined) return;
    this.#heardAt = Math.max(this.#heardAt, performance.now() - silentMs);
  }
}
