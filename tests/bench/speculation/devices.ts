/**
 * What a frame takes on made-up devices: processor time as it was measured, spread over time as a
 * limit on processor time does, or as a slow processor does.
 *
 * @module
 */

/** A device that computes. */
export interface SimulatedDevice {
  /** What it is, for people. */
  text: string;
  /** Share of a core that it has, 0 to 1. */
  cores: number;
  /**
   * Milliseconds of a period in which it may use its whole share at once, as a limit by cgroups
   * does; undefined: it is that much slower all the time.
   */
  periodMs?: number;
  /** Milliseconds of a whole core that a frame costs besides its rows. */
  overheadMs: number;
}

/** Devices of the benchmark. */
export const DEVICES = {
  limited: {
    text:
      "devices with 4.5 ms of each 10 ms of a core, 0.5B shape, 1 ms of a core a frame and stage",
    cores: 0.45,
    periodMs: 10,
    overheadMs: 1,
  },
  slow: {
    text:
      "devices with a core of 0.45 times the speed, 0.5B shape, 0.5 ms of a core a frame and stage",
    cores: 0.45,
    overheadMs: 0.5,
  },
} satisfies Record<string, SimulatedDevice>;

/**
 * Milliseconds of a whole core for a frame of so many rows through all layers and the LM head of
 * the 0.5B shape in q4 (docs/performance.md, Engine).
 */
const CORE_MS = [[1, 20], [2, 23], [4, 30], [8, 48], [16, 82], [64, 300]];

/** Straight lines between the measured sizes. */
export function coreMs(rows: number): number {
  const at = Math.max(1, CORE_MS.findIndex(([size]) => size >= rows));
  const [[r0, t0], [r1, t1]] = [CORE_MS[at - 1], CORE_MS[at]];
  return t0 + (rows - r0) / (r1 - r0) * (t1 - t0);
}

/**
 * Milliseconds of a frame at each of `stages` equal stages. A limited device computes until it has
 * used its share of the period, and goes on in the next one.
 */
export function stageMs(
  { cores, periodMs, overheadMs }: SimulatedDevice,
  stages: number,
): (rows: number, now: number, stage: number) => number {
  /** By stage: the period in which it computed last, and milliseconds used in it. */
  const used = Array.from({ length: stages }, () => ({ period: -1, ms: 0 }));
  return (rows, now, stage) => {
    let work = coreMs(rows) / stages + overheadMs;
    if (periodMs === undefined) return work / cores;
    const share = cores * periodMs;
    const state = used[stage];
    const offset = stage * periodMs / stages; // periods of devices begin at different times
    let at = now + offset;
    for (;;) {
      const period = Math.floor(at / periodMs);
      if (state.period !== period) Object.assign(state, { period, ms: 0 });
      const end = (period + 1) * periodMs;
      const may = Math.min(share - state.ms, end - at);
      if (work <= may) {
        state.ms += work;
        return at + work - offset - now;
      }
      state.ms += Math.max(0, may);
      work -= Math.max(0, may);
      at = end;
    }
  };
}
