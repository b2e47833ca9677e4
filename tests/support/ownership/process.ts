/**
 * A simulated process: it has a clock of its own, stands still for a while, and dies.
 *
 * @module
 */
import type { Clock } from "../../../actors/mod.ts";
import type { VirtualTime } from "./virtual_time.ts";

/** Milliseconds in which a process that goes on works off what it has missed. */
const THAW_MS = 2;

/** See the module's text. */
export class SimulatedProcess {
  /** The process's monotonic clock: hours from others', and a little too fast or slow. */
  readonly clock: Clock;
  readonly #time: VirtualTime;
  readonly #random: () => number;
  #alive = true;
  #frozen = false;
  /** What came while the process stood still. */
  #missed: (() => void)[] = [];

  /**
   * `rate`: seconds of its clock in a true second; `offsetMs`: what its clock shows at true time 0.
   */
  constructor(
    time: VirtualTime,
    random: () => number,
    { rate, offsetMs }: { rate: number; offsetMs: number },
  ) {
    this.#time = time;
    this.#random = random;
    this.clock = {
      now: () => offsetMs + time.now * rate,
      after: (ms, fn) => {
        let due: (() => void) | undefined = fn;
        const cancel = time.after(ms / rate, () => this.run(() => due?.()));
        return () => {
          due = undefined;
          cancel();
        };
      },
    };
  }

  /** Is it running, or standing still? False once it has died. */
  get alive(): boolean {
    return this.#alive;
  }

  /** Does it stand still? */
  get frozen(): boolean {
    return this.#frozen;
  }

  /** Runs something in the process: now, when it goes on, or never. */
  run(fn: () => void): void {
    if (!this.#alive) return;
    if (this.#frozen) this.#missed.push(fn);
    else fn();
  }

  /** It stands still; its clock goes on. */
  freeze(): void {
    this.#frozen = true;
  }

  /** It goes on. Timers that are due and messages that came run in an order of chance. */
  thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    const missed = this.#missed;
    this.#missed = [];
    while (missed.length > 0) {
      const [fn] = missed.splice(Math.floor(this.#random() * missed.length), 1);
      this.#time.after(THAW_MS * this.#random(), () => this.run(fn));
    }
  }

  /** It ends at once, and says nothing. */
  die(): void {
    this.#alive = false;
    this.#missed = [];
  }
}
