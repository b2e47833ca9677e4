/**
 * The processor time of runs that share it.
 *
 * A node may have a stage, a shard of the LM head, a draft model and a whole model, and run several
 * of them at once. Each then takes longer on the clock than by itself. The arbiter, profiles and
 * drift want to know what a run costs the node: while n runs are under way, each is charged an n-th
 * of the time (processor sharing). So the times of all runs add up to no more than the clock shows.
 *
 * @module
 */

/** A run whose time is measured. */
export interface TimedRun {
  /** The run is over: milliseconds of the node's time that it took. Later calls return the same. */
  end(): number;
}

/** Charges runs that are under way at the same time their shares of it. */
export class SharedTime {
  readonly #now: () => number;
  /** Runs under way. */
  #running = 0;
  /** Milliseconds that a run would have been charged which was under way all the time. */
  #charged = 0;
  /** When `#charged` was computed, milliseconds. */
  #at = 0;

  /** @param now A monotonic clock in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Begins a run. */
  begin(): TimedRun {
    this.#advance();
    this.#running++;
    const before = this.#charged;
    let took: number | undefined;
    return {
      end: () => {
        if (took !== undefined) return took;
        this.#advance();
        this.#running--;
        return took = this.#charged - before;
      },
    };
  }

  #advance(): void {
    const now = this.#now();
    if (this.#running > 0) this.#charged += (now - this.#at) / this.#running;
    this.#at = now;
  }
}

/** The time of this process, which all its engines share. */
export const nodeTime: SharedTime = new SharedTime();
