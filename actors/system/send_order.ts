/**
 * Keeps the order of the sends from one sender to one receiver, also where resolving the receiver
 * or waiting for a credit takes long.
 *
 * @module
 */

/** The last send of each pair of sender and receiver, so that the next one can follow it. */
export class SendOrder {
  readonly #tails = new Map<string, Promise<void>>();

  /** Has every earlier send of this pair ended? */
  idle(from: string, to: string): boolean {
    return !this.#tails.has(`${from}>${to}`);
  }

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
