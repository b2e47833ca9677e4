/**
 * Deterministic simulation: the same actors under a seeded scheduler and virtual time.
 *
 * One seed is one run: which actor has the next turn, how long each delivery takes, every random
 * number. Time moves only when nothing is ready. Links can be cut and healed, nodes crashed, at
 * virtual times.
 *
 * Actors that wait for something outside the simulation (real IO, real timers) are not simulated:
 * the run would end early.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Directory } from "./directory.ts";
import type { Clock, NodeId } from "./envelope.ts";
import { LocalNetwork } from "./local_transport.ts";
import { ActorSystem, type SystemOptions } from "./system.ts";

/** Options of a {@linkcode Simulation}. */
export interface SimulationOptions {
  /** The run: equal seeds give equal runs. An integer, of which 32 bits count. */
  seed: number;
  /**
   * Virtual milliseconds that a delivery between two nodes takes, drawn uniformly. @default {min:
   * 0.1, max: 2}
   */
  latencyMs?: { min: number; max: number };
}

interface Timer {
  at: number;
  order: number;
  fn: () => void;
}

/** mulberry32: small, seeded, uniform in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Nodes, links and time of one simulated run. */
export class Simulation {
  /** Carries every message; cut and heal its links here. */
  readonly network: LocalNetwork;
  /** Virtual milliseconds since the start of the simulation. */
  readonly clock: Clock;
  /** Uniform in [0, 1): the one seeded source, which also draws latencies and turns. */
  readonly random: () => number;
  readonly #systems = new Map<NodeId, ActorSystem>();
  readonly #timers: Timer[] = [];
  readonly #ready: (() => void)[] = [];
  #now = 0;
  #order = 0;
  #steps = 0;

  /** A simulation without nodes, at time 0. */
  constructor(options: SimulationOptions) {
    const { min, max } = options.latencyMs ?? { min: 0.1, max: 2 };
    this.random = seededRandom(options.seed);
    this.clock = { now: () => this.#now, after: (ms, fn) => this.#after(ms, fn) };
    this.network = new LocalNetwork({
      clock: this.clock,
      deliver: (step) => void this.#after(min + (max - min) * this.random(), step),
    });
  }

  /** Turns and timers run so far: equal for equal seeds. */
  get steps(): number {
    return this.#steps;
  }

  /** Adds a node with an actor system. */
  node(name: NodeId, directory: Directory, hooks: Partial<SystemOptions> = {}): ActorSystem {
    const system = new ActorSystem({
      transport: this.network.connect(name),
      directory,
      clock: this.clock,
      random: this.random,
      schedule: (turn) => void this.#ready.push(turn),
      ...hooks,
    });
    this.#systems.set(name, system);
    return system;
  }

  /** Ends a node without a goodbye. Its actors may run on, but nothing they send arrives. */
  crash(name: NodeId): void {
    this.network.crash(name);
    this.#systems.delete(name);
  }

  /** Runs until nothing is ready and no timer is due within `forMs` of virtual time. */
  async run(options: { forMs?: number } = {}): Promise<void> {
    const end = this.#now + (options.forMs ?? Infinity);
    for (;;) {
      await settled();
      if (this.#ready.length) {
        const [turn] = this.#ready.splice(Math.floor(this.random() * this.#ready.length), 1);
        this.#steps++;
        turn();
        continue;
      }
      const timer = this.#timers[0];
      if (!timer || timer.at > end) {
        if (end !== Infinity) this.#now = end;
        return;
      }
      this.#timers.shift();
      this.#now = Math.max(this.#now, timer.at);
      this.#steps++;
      timer.fn();
    }
  }

  /**
   * Runs the simulation until the promise is settled, and gives its result. Throws if it never will
   * be.
   */
  async until<T>(promise: Promise<T>, options: { forMs?: number } = {}): Promise<T> {
    let done = false;
    const watched = promise.finally(() => done = true);
    watched.catch(() => {}); // the caller gets it below
    const end = this.#now + (options.forMs ?? 3_600_000);
    while (!done) {
      await this.run({ forMs: 0 });
      if (done) break;
      const timer = this.#timers[0];
      if (!timer || timer.at > end) {
        throw new Error(
          `simulation came to rest at ${this.#now} ms before the promise was settled`,
        );
      }
      await this.run({ forMs: timer.at - this.#now });
    }
    return await watched;
  }

  #after(ms: number, fn: () => void): () => void {
    const timer: Timer = { at: this.#now + ms, order: this.#order++, fn };
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const t = this.#timers[middle];
      if (t.at < timer.at || (t.at === timer.at && t.order < timer.order)) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return () => {
      const i = this.#timers.indexOf(timer);
      if (i >= 0) this.#timers.splice(i, 1);
    };
  }
}

/**
 * All promise callbacks that can run have run: an immediate's turn comes after every queued
 * microtask. (A message port's does not always: its message may be handed over within the same
 * microtasks.)
 */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
