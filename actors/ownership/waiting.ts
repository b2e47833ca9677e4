/**
 * Waits that a signal ends, and pauses between tries.
 *
 * @module
 */
import { type Clock, hasCode, OrreryError } from "../system/mod.ts";

/** The first pause after a failure, milliseconds; each further one is twice as long. */
const FIRST_PAUSE_MS = 50;
/** The longest pause, milliseconds. */
const LONGEST_PAUSE_MS = 1_000;

/** Time and chance, from outside. */
export interface Timing {
  /** Times waits and leases; only its differences are used. */
  clock: Clock;
  /** Uniform in [0, 1). */
  random: () => number;
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause({ clock }: Pick<Timing, "clock">, ms: number, signal: AbortSignal) {
  return new Promise<void>((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal.addEventListener("abort", done);
  });
}

/**
 * As {@linkcode pause}, for the time that follows `failures` failures in a row: 25-50 ms, then
 * twice as long each time, at most 1 s. Chance keeps nodes from trying in step.
 */
export function backOff(timing: Timing, failures: number, signal: AbortSignal): Promise<void> {
  const most = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 10));
  return pause(timing, most * (0.5 + timing.random() / 2), signal);
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * Did the registry only not answer? Then the same may be tried again. What is thrown when a signal
 * ends a wait is no such error.
 */
export const isSilence = (error: unknown): boolean =>
  hasCode(error, "unavailable") || hasCode(error, "outcome_unknown");

/** The error as it is told, whatever was thrown. */
export const asError = (error: unknown): Error =>
  error instanceof OrreryError || error instanceof Error ? error : new Error(String(error));

/** 64 random bits as text: names a claim. */
export function randomName(random: () => number): string {
  const word = () => Math.floor(random() * 2 ** 32).toString(16).padStart(8, "0");
  return `${word()}${word()}`;
}
