/**
 * Real time for the actors.
 *
 * @module
 */
import type { Clock } from "../actors/mod.ts";

/** Monotonic milliseconds and timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, fn) {
    const id = setTimeout(fn, Math.min(ms, 0x7fffffff));
    return () => clearTimeout(id);
  },
};
