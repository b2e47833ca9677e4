/**
 * Admission: limits how many generations run at the same time and how many wait. Further requests
 * are refused as `busy` at once.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

/** How many generations may run, and how many may wait for their turn. */
export interface AdmissionLimits {
  /** Generations that run at the same time. */
  active: number;
  /** Generations that wait. */
  queued: number;
}

/**
 * Limits where nobody says. Requests that run share frames, so that many of them take little more
 * time than one; the arbiter lets those begin whose KV rows fit into memory, and the others wait
 * there.
 */
export const USUAL_LIMITS: AdmissionLimits = { active: 32, queued: 128 };

/** Weight of the newest request in the running mean of their times, 0 to 1. */
const NEWEST = 0.1;

/** A request that waits for its turn. */
interface Waiting {
  /** A larger number goes first. */
  priority: number;
  /** Lets it in. */
  go: () => void;
}

/** A counting semaphore with a bounded queue, by priority and then by age. */
export class Admission {
  readonly #now: () => number;
  /** Limits that the node was started with; they hold whatever the graph says. */
  readonly #given: Partial<AdmissionLimits>;
  #limits: AdmissionLimits;
  /** Requests that wait: those with a higher priority first, and of equal ones the oldest. */
  readonly #queue: Waiting[] = [];
  /** When each of the generations that run got its place, milliseconds. */
  readonly #begun = new Set<{ at: number }>();
  /** Places that are taken; those that were promised to a waiting request count. */
  #active = 0;
  /** Mean milliseconds for which a generation has its place; undefined: none has ended. */
  #heldMs?: number;

  /**
   * `given` go before the graph's limits and {@linkcode USUAL_LIMITS}; `now`: the time in
   * milliseconds, monotonic.
   */
  constructor(given: Partial<AdmissionLimits> = {}, now: () => number = () => performance.now()) {
    this.#given = given;
    this.#now = now;
    this.#limits = { ...USUAL_LIMITS, ...defined(given) };
  }

  /** Takes the graph's limits where the node was not started with some; undefined: it has none. */
  use({ active, queued }: Partial<AdmissionLimits> = {}): void {
    this.#limits = { ...USUAL_LIMITS, ...defined({ active, queued }), ...defined(this.#given) };
    while (this.#active < this.#limits.active && this.#queue.length > 0) {
      this.#active++;
      this.#queue.shift()!.go();
    }
  }

  /** Largest number of generations that run at the same time. */
  get most(): number {
    return this.#limits.active;
  }

  /** Largest number of generations that run and wait together. */
  get places(): number {
    return this.#limits.active + this.#limits.queued;
  }

  /** Whether one more would be refused as `busy`. */
  get full(): boolean {
    const { active, queued } = this.#limits;
    return this.#active >= active && this.#queue.length >= queued;
  }

  /** Generations that run now. */
  get active(): number {
    return this.#active;
  }

  /** Generations that wait now. */
  get queued(): number {
    return this.#queue.length;
  }

  /**
   * Seconds after which those that wait now have begun, by how long generations have run lately. At
   * least 1.
   */
  get retryAfterS(): number {
    const now = this.#now();
    const ages = Array.from(this.#begun, ({ at }) => now - at);
    const held = this.#heldMs ?? ages.reduce((a, b) => a + b, 0) / Math.max(1, ages.length);
    const rounds = (this.#queue.length + 1) / Math.max(1, this.#limits.active);
    return Math.max(1, Math.ceil(rounds * held / 1000));
  }

  /**
   * Waits for a place; disposing of the result gives it back. Throws group `api`, code `busy`
   * (metadata: `active`, `queued`, `limit`, `retry_after_s`) where the queue is full, or the
   * signal's reason. `priority`: of those that wait, the ones with a larger number go first.
   */
  async enter(signal: AbortSignal, priority = 0): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#active >= this.#limits.active) {
      if (this.#queue.length >= this.#limits.queued) throw this.#busy();
      await new Promise<void>((resolve, reject) => {
        const go = () => {
          signal.removeEventListener("abort", leave);
          resolve();
        };
        const leave = () => {
          this.#queue.splice(this.#queue.indexOf(waiting), 1);
          reject(signal.reason);
        };
        signal.addEventListener("abort", leave, { once: true });
        const waiting = { priority, go };
        const behind = this.#queue.findLastIndex((other) => other.priority >= priority);
        this.#queue.splice(behind + 1, 0, waiting);
      });
    } else {
      this.#active++;
    }
    const place = { at: this.#now() };
    this.#begun.add(place);
    return {
      [Symbol.dispose]: () => {
        if (!this.#begun.delete(place)) return;
        const held = this.#now() - place.at;
        this.#heldMs = (this.#heldMs ?? held) + NEWEST * (held - (this.#heldMs ?? held));
        // The next one takes this place, unless the limit has been lowered meanwhile.
        const next = this.#active <= this.#limits.active ? this.#queue.shift() : undefined;
        if (next) next.go();
        else this.#active--;
      },
    };
  }

  #busy(): OrreryError {
    const { active, queued } = this.#limits;
    const retry_after_s = this.retryAfterS;
    return new OrreryError({
      group: "api",
      code: "busy",
      message: `${active} generations run and ${queued} wait, which is the limit; ` +
        `try again in ${retry_after_s} s`,
      metadata: {
        active: this.#active,
        queued: this.#queue.length,
        limit: active + queued,
        retry_after_s,
      },
    });
  }
}

const defined = (limits: Partial<AdmissionLimits>): Partial<AdmissionLimits> =>
  Object.fromEntries(Object.entries(limits).filter(([, n]) => n !== undefined));
