/**
 * Finds the members that have been silent for too long.
 *
 * @module
 */

/** Keeps when each member was last heard of. Times are milliseconds of one monotonic clock. */
export class Silence {
  readonly #pingMs: number;
  readonly #silenceMs: number;
  readonly #heardAt = new Map<string, number>();
  /** Members that have been asked and have not answered. */
  readonly #asked = new Set<string>();
  #checkedAt: number;

  /**
   * No member is known yet. The caller calls `check` every `pingMs`; a member is gone after
   * `silenceMs`.
   */
  constructor(options: { pingMs: number; silenceMs: number }, { now }: { now: number }) {
    this.#pingMs = options.pingMs;
    this.#silenceMs = options.silenceMs;
    this.#checkedAt = now;
  }

  /**
   * Notes that a member is pinged. False: it must not be, because its last ping is not answered
   * yet.
   */
  ask(node: string): boolean {
    if (this.#asked.has(node)) return false;
    this.#asked.add(node);
    return true;
  }

  /** Notes that a member has joined or has answered. */
  heard(node: string, now: number): void {
    this.#asked.delete(node);
    this.#heardAt.set(node, now);
  }

  /** Notes that a ping got no answer; the member is as silent as before. */
  unheard(node: string): void {
    this.#asked.delete(node);
  }

  /** Forgets a node that is no longer a member. */
  forget(node: string): void {
    this.#heardAt.delete(node);
  }

  /** Members that have been silent for too long, each with the milliseconds of its silence. */
  check(now: number): [node: string, ms: number][] {
    const late = now - this.#checkedAt - this.#pingMs;
    this.#checkedAt = now;
    // This check is late (the machine was busy or slept), so answers may wait to be read: the delay
    // does not count as silence.
    if (late > this.#pingMs) {
      for (const [node, at] of this.#heardAt) this.#heardAt.set(node, at + late);
    }
    return [...this.#heardAt]
      .map(([node, at]): [string, number] => [node, now - at])
      .filter(([, ms]) => ms > this.#silenceMs);
  }
}
