/**
 * Virtual time: things that happen at a moment, and servers that do one thing after the other.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

interface Happening {
  at: number;
  order: number;
  run: () => void;
}

/** Runs happenings in order of time; at one moment in the order in which they were asked for. */
export class VirtualClock {
  /** Seconds since the simulation began. */
  now = 0;
  #order = 0;
  /** A binary heap. */
  #heap: Happening[] = [];

  /** Runs something at a moment, which is not before now. */
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

  /** Runs the next happening. False: there is none. */
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

/** Something that a {@linkcode Server} does. */
export interface Job {
  /**
   * Called when its turn comes: seconds that it takes, or undefined when it is of no use any more.
   */
  begin(): number | undefined;
  /** Called when it is done. Not called when {@linkcode Server.clear} or an abort ended it. */
  end(start_s: number): void;
  /** Called when it was cut off after it had begun. */
  cut?(start_s: number): void;
}

/** Does one job at a time, first come, first served. */
export class Server {
  #clock: VirtualClock;
  #queue: Job[] = [];
  #current: { job: Job; start: number } | undefined;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  /** Takes a job. */
  push(job: Job): void {
    this.#queue.push(job);
    this.#next();
  }

  /** Cuts the current job off and forgets those that wait. */
  clear(): void {
    this.#queue = [];
    const current = this.#current;
    this.#current = undefined;
    current?.job.cut?.(current.start);
  }

  /** Takes one job out, begun or not. */
  remove(job: Job): void {
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
        if (this.#current !== current) return; // cut off
        // What the end hands to this server waits behind what is in the queue.
        job.end(current.start);
        if (this.#current === current) this.#current = undefined;
        this.#next();
      });
    }
  }
}
