/**
 * Bounds how often each of several nodes may cause something costly.
 *
 * @module
 */

/** How often a node may do something. */
export interface RateLimitOptions {
  /** So many times ... */
  times: number;
  /** ... within so many milliseconds. */
  withinMs: number;
}

/**
 * See the module's text. A key names a node; keys that were not used for `withinMs` are forgotten, so
 * memory is bounded by the number of nodes.
 */
export class RateLimit {
  readonly #options: RateLimitOptions;
  /** When each key was let through, within the last `withinMs`; the latest comes last. */
  readonly #taken = new Map<string, number[]>();

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /**
   * Whether the key may do it now; that counts if it may.
   *
   * @param now Milliseconds, monotonic.
   */
  take(key: string, now: number): boolean {
    const { times, withinMs } = this.#options;
    for (const [known, taken] of this.#taken) {
      const recent = taken.filter((at) => now - at < withinMs);
      if (recent.length > 0) this.#taken.set(known, recent);
      else this.#taken.delete(known);
    }
    const taken = this.#taken.get(key) ?? [];
    if (taken.length >= times) return false;
    this.#taken.set(key, [...taken, now]);
    return true;
  }
}
