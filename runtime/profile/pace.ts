/**
 * How long work takes on a machine that may have a limit on processor time.
 *
 * Under a limit a clock shows little in a short time: a frame of 4 ms runs at full speed or waits 6
 * ms for its next quota. So on such a machine work is measured in processor time, and the share of
 * a core over the whole measurement, while the processor is never without work, makes seconds of
 * it.
 *
 * @module
 */
import process from "node:process";
import type { TimeTable } from "../../planner/mod.ts";

/** A machine that gets less of a core than this has a limit. */
const WHOLE_SHARE = 0.9;

/** Clocks, in seconds; tests have their own. */
export interface Clocks {
  /** Of the world. */
  wall(): number;
  /** Processor time of this process, all its threads. */
  cpu(): number;
}

const CLOCKS: Clocks = {
  wall: () => performance.now() / 1000,
  cpu() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
};

/** See the module's text. */
export class Pace {
  /** Has the machine a limit? */
  readonly limited: boolean;
  readonly #clocks: Clocks;
  #cpu = 0;
  #wall = 0;

  /** @param cpuShare Share of a core, as far as it is known before anything was measured. */
  constructor(cpuShare: number, clocks: Clocks = CLOCKS) {
    this.limited = cpuShare < WHOLE_SHARE;
    this.#clocks = clocks;
  }

  /**
   * Seconds of work that never waits: what it says that it took, or processor seconds of a machine
   * with a limit.
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

  /** Share of a core that the work so far has had, at most 1; NaN before any. */
  get share(): number {
    return Math.min(1, this.#cpu / this.#wall);
  }

  /** Seconds of a clock for what {@linkcode Pace.time} has measured. */
  seconds(measured: number): number {
    return this.limited ? measured / this.share : measured;
  }

  /** A table of such seconds. */
  table({ rows, past, seconds }: TimeTable): TimeTable {
    return { rows, past, seconds: seconds.map((line) => line.map((value) => this.seconds(value))) };
  }
}
