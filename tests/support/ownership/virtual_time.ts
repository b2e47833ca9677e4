/**
 * Virtual time for simulations of which thousands run: one heap of timers a world, and many worlds
 * side by side, as waiting until all promises are settled takes longer than most steps.
 *
 * @module
 */
import { setImmediate } from "node:timers";

interface Timer {
  /** Virtual milliseconds. */
  at: number;
  /** Timers of one moment run in the order in which they were set. */
  order: number;
  /** Undefined: cancelled. */
  fn?: () => void;
}

/** The timers of one world. */
export class VirtualTime {
  readonly #heap: Timer[] = [];
  #now = 0;
  #order = 0;
  /** Timers that have run. */
  steps = 0;

  /** Virtual milliseconds since the world began: the true time, which no clock in it shows. */
  get now(): number {
    return this.#now;
  }

  /** Calls `fn` after `ms`; the returned function cancels. */
  after(ms: number, fn: () => void): () => void {
    const timer: Timer = { at: this.#now + Math.max(0, ms), order: this.#order++, fn };
    const heap = this.#heap;
    let i = heap.push(timer) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(timer, heap[parent])) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = timer;
    return () => timer.fn = undefined;
  }

  /** Runs the next timer that is due by `end`. Returns false where there is none. */
  step(end: number): boolean {
    for (;;) {
      const timer = this.#heap[0];
      if (!timer || timer.at > end) return false;
      this.#pop();
      if (!timer.fn) continue;
      this.#now = timer.at;
      this.steps++;
      timer.fn();
      return true;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
      if (!before(heap[child], last)) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
  }
}

const before = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** Something that runs in virtual time. */
export interface Steps {
  /** Runs one step. Returns false at its end. */
  step(): boolean;
}

/**
 * Runs worlds to their ends, `width` of them side by side; `next` makes them, until it gives none.
 * Each step of a world runs after all promises of its last one are settled, so that what a world
 * does is the same whichever run beside it.
 */
export async function runSideBySide(next: () => Steps | undefined, width: number): Promise<void> {
  let running: Steps[] = [];
  for (let more = true; more || running.length > 0;) {
    while (more && running.length < width) {
      const world = next();
      if (world) running.push(world);
      else more = false;
    }
    running = running.filter((world) => world.step());
    await new Promise((resolve) => void setImmediate(resolve));
  }
}
