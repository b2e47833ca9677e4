/**
 * Real time for the actors.
 *
 * @module
 */
import type { Clock } from "../actors/mod.ts";

/** Monotonic milliseconds and timers that do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, fn) {
    const id = setTimeout(fn, Math.min(ms, 0x7fffffff));
    Deno.unrefTimer(id);
    return () => clearTimeout(id);
  },
};
