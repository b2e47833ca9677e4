/**
 * Bounds what other nodes can make this node write into its log: the first line of each sort is
 * written at once, further ones are counted, and a later line says how many there were.
 *
 * @module
 */

/** Options of a {@linkcode LimitedLog}. */
export interface LimitedLogOptions {
  /** Milliseconds in which one line of a sort is written. @default 60_000 */
  everyMs?: number;
  /** Most lines of all sorts in that time. @default 100 */
  lines?: number;
  /** Milliseconds, monotonic. @default performance.now */
  now?: () => number;
}

/** See the module's text. */
export class LimitedLog {
  readonly #everyMs: number;
  readonly #lines: number;
  readonly #now: () => number;
  /** Lines that were left out, by sort: of the sorts that had a line in this span or the last. */
  #left = new Map<string, number>();
  /** Sorts that had a line in this span. */
  #told = new Set<string>();
  /** When the span began. */
  #since: number;

  /** No line was written yet. */
  constructor({
    everyMs = 60_000,
    lines = 100,
    now = () => performance.now(),
  }: LimitedLogOptions = {}) {
    this.#everyMs = everyMs;
    this.#lines = lines;
    this.#now = now;
    this.#since = now();
  }

  /**
   * Whether a line of this sort (a short text) is to be written now. `leftOut`: how many lines like
   * it were not, since the last one.
   */
  take(sort: string): { write: boolean; leftOut: number } {
    const now = this.#now();
    if (now - this.#since >= this.#everyMs) {
      this.#left = new Map([...this.#left].filter(([known, n]) => n > 0 && this.#told.has(known)));
      this.#told = new Set();
      this.#since = now;
    }
    const leftOut = this.#left.get(sort) ?? 0;
    if (this.#told.has(sort)) {
      this.#left.set(sort, leftOut + 1);
      return { write: false, leftOut };
    }
    if (this.#told.size >= this.#lines) return { write: false, leftOut };
    this.#told.add(sort);
    this.#left.set(sort, 0);
    return { write: true, leftOut };
  }
}
