/**
 * How long work takes on a machine that may have a limit on CPU time.
 *
 * Under a limit a clock misleads in a short time: a frame of 4 ms runs at full speed, or it waits 6
 * ms for the next quota. So on such a machine work is measured in CPU time. It is divided by the
 * share of a core that the process got over the whole measurement, while it never waited, which
 * gives seconds of a clock.
 *
 * @module
 */
import process from "node:process";
import type { TimeTable } from "../../planner/mod.ts";

/** A process that gets a smaller share of a core than this has a limit on CPU time. */
const WHOLE_SHARE = 0.9;

/** Clocks, in seconds; tests give virtual ones. */
export interface Clocks {
  /** Time of a wall clock. */
  wall(): number;
  /** CPU time of all threads of this process. */
  cpu(): number;
}

const CLOCKS: Clocks = {
  wall: () => performance.now() / 1000,
  cpu() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
};

/** Measures work, and turns what it measured into seconds of a clock; see the module's text. */
export class CpuPace {
  /** true if the process has a limit on CPU time. */
  readonly limited: boolean;
  readonly #clocks: Clocks;
  /** CPU seconds and clock seconds of all work so far. */
  #cpu = 0;
  #wall = 0;

  /** @param cpuShare Share of a core that was measured before, 0 to 1. */
  constructor(cpuShare: number, clocks: Clocks = CLOCKS) {
    this.limited = cpuShare < WHOLE_SHARE;
    this.#clocks = clocks;
  }

  /**
   * Runs work that never waits and returns the seconds that it says it took, or under a limit the
   * CPU seconds that it took.
   */
  async time(work: () => Promise<number>): Promise<number> {
    const { wall, cpu } = this.#clocks;
    const [started, used] = [wall(), cpu()];
    const took = await work();
    const spent = cpu() - used;
    this.#cpu += spent;
    this.#wall += wall() - started;
    return this.limited ? spent : took;
  }

  /** Share of a core that the work so far got, 0 to 1; NaN before any work. */
  get share(): number {
    return Math.min(1, this.#cpu / this.#wall);
  }

  /** Turns what {@linkcode CpuPace.time} measured into seconds of a clock. */
  seconds(measured: number): number {
    return this.limited ? measured / this.share : measured;
  }

  /** Turns a table of what {@linkcode CpuPace.time} measured into seconds of a clock. */
  table({ rows, past, seconds }: TimeTable): TimeTable {
    return { rows, past, seconds: seconds.map((line) => line.map((value) => this.seconds(value))) };
  }
}
