/**
 * Virtual time: a clock that runs callbacks at their moments, and servers that do one job after the
 * other.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

/** A callback and its moment. */
interface Happening {
  /** Seconds since the simulation began. */
  at: number;
  /** Number of the callback, in the order in which they were added. */
  order: number;
  run: () => void;
}

/**
 * Runs callbacks in the order of their moments; those of one moment in the order in which they were
 * added.
 */
export class VirtualClock {
  /** Seconds since the simulation began. */
  now = 0;
  #order = 0;
  /** The callbacks to come, as a binary heap. */
  #heap: Happening[] = [];

  /**
   * Adds a callback for a moment, in seconds since the simulation began. Throws group `planner`,
   * code `bad_simulation_time` for a moment that is past, infinite or not a number.
   */
  at(seconds: number, run: () => void): void {
    if (!(seconds >= this.now) || seconds === Infinity) {
      throw new OrreryError({
        group: "planner",
        code: "bad_simulation_time",
        message:
          `the simulation was asked to go on at ${seconds} s when it was ${this.now} s: a cost is negative, ` +
          `infinite or not a number`,
      });
    }
    const heap = this.#heap;
    heap.push({ at: seconds, order: this.#order++, run });
    for (let i = heap.length - 1; i > 0;) {
      const parent = (i - 1) >> 1;
      if (!before(heap[i], heap[parent])) break;
      [heap[i], heap[parent]] = [heap[parent], heap[i]];
      i = parent;
    }
  }

  /** Moves the clock to the next callback and runs it. False: there is none. */
  step(): boolean {
    const heap = this.#heap;
    if (heap.length === 0) return false;
    const first = heap[0];
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      for (let i = 0;;) {
        const left = 2 * i + 1;
        let least = i;
        if (left < heap.length && before(heap[left], heap[least])) least = left;
        if (left + 1 < heap.length && before(heap[left + 1], heap[least])) least = left + 1;
        if (least === i) break;
        [heap[i], heap[least]] = [heap[least], heap[i]];
        i = least;
      }
    }
    this.now = first.at;
    first.run();
    return true;
  }
}

function before(a: Happening, b: Happening): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A job of a {@linkcode Server}. */
export interface TimedJob {
  /**
   * Called when the job's turn comes. Returns the seconds that it takes; undefined: it is not
   * needed any more and is skipped.
   */
  begin(): number | undefined;
  /**
   * Called when the job is done; `start_s`: when it began. Not called when {@linkcode Server.clear}
   * or {@linkcode Server.remove} ended it.
   */
  end(start_s: number): void;
  /** Called when the job was ended early, after it had begun at `start_s`. */
  cut?(start_s: number): void;
}

/** Does one job at a time, in the order in which they came. */
export class Server {
  #clock: VirtualClock;
  #queue: TimedJob[] = [];
  #current: { job: TimedJob; start: number } | undefined;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  /** Adds a job. */
  push(job: TimedJob): void {
    this.#queue.push(job);
    this.#next();
  }

  /** Ends the current job early and removes all that wait. */
  clear(): void {
    this.#queue = [];
    const current = this.#current;
    this.#current = undefined;
    current?.job.cut?.(current.start);
  }

  /** Removes one job; ends it early if it has begun. */
  remove(job: TimedJob): void {
    this.#queue = this.#queue.filter((j) => j !== job);
    const current = this.#current;
    if (current?.job !== job) return;
    this.#current = undefined;
    job.cut?.(current.start);
    this.#next();
  }

  #next(): void {
    while (!this.#current && this.#queue.length > 0) {
      const job = this.#queue.shift()!;
      const seconds = job.begin();
      if (seconds === undefined) continue;
      const current = { job, start: this.#clock.now };
      this.#current = current;
      this.#clock.at(this.#clock.now + seconds, () => {
        if (this.#current !== current) return; // the job was ended early
        // A job that `end` adds to this server waits behind those in the queue.
        job.end(current.start);
        if (this.#current === current) this.#current = undefined;
        this.#next();
      });
    }
  }
}
