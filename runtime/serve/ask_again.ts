/**
 * Asks the stages again what they have not answered, where that changes nothing: the vector of a
 * prompt is the same whichever stages compute it, and however often.
 *
 * @module
 */
import { type Clock, OrreryError, pause } from "../../actors/mod.ts";

/** Times that it is asked at most. */
const MOST_TIMES = 4;
/** Milliseconds until it is asked again: a stage that crashed begins anew meanwhile. */
const AGAIN_MS = 500;
/** Groups of errors that say nothing about the request itself: who should have answered could not. */
const PASSING = ["actor", "cluster", "engine"];
/** Codes among these after which the next answer would be the same. */
const LASTING = ["stages_outdated", "bad_frame", "not_enough_memory"];

/** Options of {@linkcode askAgain}. */
export interface AskAgainOptions {
  clock: Clock;
  signal: AbortSignal;
}

/** What `ask` resolves to, asked four times at most. Throws its last error, and the signal's reason. */
export async function askAgain<T>(
  ask: () => Promise<T>,
  { clock, signal }: AskAgainOptions,
): Promise<T> {
  for (let times = 1;; times++) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted || times === MOST_TIMES || !passes(error)) throw error;
    }
    await pause({ clock }, AGAIN_MS, signal);
    signal.throwIfAborted();
  }
}

const passes = (error: unknown): boolean =>
  error instanceof OrreryError && PASSING.includes(error.group) && !LASTING.includes(error.code);
