/**
 * How many workers of custom actors run at a node: each activation has one, and takes tens of MiB.
 * Where all places are taken, an activation whose state is kept, and that has nothing to do, makes
 * room: the one whose last message is longest ago.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

/** Largest number of workers that run at the same time at one node. */
const MOST_WORKERS = 32;
/** Milliseconds in which an activation that makes room must have ended. */
const ROOM_MS = 5_000;

/** One activation's worker. */
export interface WorkerSlot {
  /** A message is handled; call what it returns when that is over. */
  work(): () => void;
  /** The worker has ended. */
  leave(): void;
}

/** What is told of an activation that takes a slot. */
export interface SlotOptions {
  /** Name of the actor. */
  name: string;
  /** May it end now, and lose nothing? */
  mayEnd(): boolean;
  /** Ends it. */
  end(): void;
}

interface Taken extends SlotOptions {
  /** Messages that it handles now. */
  busy: number;
  /** Number of the last message, in the order of all messages. */
  last: number;
  ending: boolean;
}

/** See the module's text. */
export class WorkerSlots {
  readonly #most: number;
  readonly #taken = new Set<Taken>();
  /** Resolve when a worker has ended. */
  readonly #waiting: (() => void)[] = [];
  #messages = 0;

  /** `most`: largest number of workers. @default 32 */
  constructor(most = MOST_WORKERS) {
    this.#most = most;
  }

  /**
   * Takes a place, for which another activation may have to end. Throws group `actor`, code
   * `too_many_workers`, where all have something to do or a state that is not kept.
   */
  async enter(options: SlotOptions): Promise<WorkerSlot> {
    while (this.#taken.size >= this.#most) await this.#makeRoom(options.name);
    const taken: Taken = { ...options, busy: 0, last: this.#messages++, ending: false };
    this.#taken.add(taken);
    return {
      work: () => {
        taken.busy++;
        taken.last = this.#messages++;
        return () => void taken.busy--;
      },
      leave: () => {
        if (this.#taken.delete(taken)) this.#waiting.shift()?.();
      },
    };
  }

  async #makeRoom(name: string): Promise<void> {
    const idle = [...this.#taken].filter((t) => !t.ending && t.busy === 0 && t.mayEnd())
      .sort((a, b) => a.last - b.last)[0];
    if (!idle) throw tooMany(name, this.#most);
    idle.ending = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ROOM_MS);
    this.#waiting.push(resolve);
    idle.end();
    await promise;
    clearTimeout(timer);
  }
}

const tooMany = (name: string, limit: number) =>
  new OrreryError({
    group: "actor",
    code: "too_many_workers",
    message:
      `actor ${name} cannot start: ${limit} activations of custom actors run at this node already, which is the limit`,
    metadata: { limit },
  });
