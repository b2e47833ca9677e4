/**
 * Real time.
 *
 * @module
 */
import type { Clock } from "./envelope.ts";

/** The longest delay that `setTimeout` takes, milliseconds; a longer one would fire at once. */
const MAX_DELAY_MS = 0x7fffffff;

/** Milliseconds since the process started, and timers of the process. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(ms, MAX_DELAY_MS));
    return () => clearTimeout(timer);
  },
};
