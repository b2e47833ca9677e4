/**
 * Which members have been silent for too long.
 *
 * @module
 */

/** When each member was last heard of. Times are milliseconds of one monotonic clock. */
export class Silence {
  readonly #pingMs: number;
  readonly #silenceMs: number;
  readonly #heardAt = new Map<string, number>();
  /** Members that have been asked and have not answered. */
  readonly #asked = new Set<string>();
  #checkedAt: number;

  /** Nobody is known. `check` is to be called every `pingMs`; a member is gone after `silenceMs`. */
  constructor(options: { pingMs: number; silenceMs: number }, { now }: { now: number }) {
    this.#pingMs = options.pingMs;
    this.#silenceMs = options.silenceMs;
    this.#checkedAt = now;
  }

  /** The member is asked for a sign of life. False: it has not answered the last time yet. */
  ask(node: string): boolean {
    if (this.#asked.has(node)) return false;
    this.#asked.add(node);
    return true;
  }

  /** The member has joined, or has answered. */
  heard(node: string, now: number): void {
    this.#asked.delete(node);
    this.#heardAt.set(node, now);
  }

  /** There will be no answer; the member is as silent as before. */
  unheard(node: string): void {
    this.#asked.delete(node);
  }

  /** It is no member any more. */
  forget(node: string): void {
    this.#heardAt.delete(node);
  }

  /** Members that have been silent for too long, each with the milliseconds of its silence. */
  check(now: number): [node: string, ms: number][] {
    const late = now - this.#checkedAt - this.#pingMs;
    this.#checkedAt = now;
    // Whoever checks was held up (a busy machine, one that slept): answers may wait to be read.
    if (late > this.#pingMs) {
      for (const [node, at] of this.#heardAt) this.#heardAt.set(node, at + late);
    }
    return [...this.#heardAt]
      .map(([node, at]): [string, number] => [node, now - at])
      .filter(([, ms]) => ms > this.#silenceMs);
  }
}
