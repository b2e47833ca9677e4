/**
 * Sends of one sender to one receiver follow each other, also where finding the receiver or its
 * credit takes a while.
 *
 * @module
 */

/** Chains sends by sender and receiver. */
export class SendOrder {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `send` once all earlier sends of this pair are over, however they ended. */
  run(from: string, to: string, send: () => Promise<void>): Promise<void> {
    const key = `${from}>${to}`;
    const before = this.#tails.get(key);
    const sending = before ? before.then(send) : send();
    const tail = sending.catch(() => {}).then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    this.#tails.set(key, tail);
    return sending;
  }
}
