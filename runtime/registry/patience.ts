/**
 * Waits that end: by a deadline, by the caller's signal, or when the registry is closed.
 *
 * @module
 */
import { DEADLINE_MS, OrreryError, type RegistryOptions } from "../../actors/mod.ts";

/** Longest wait for one try, milliseconds; then another is made, while the deadline allows. */
const TRY_MS = 3_000;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1_000;

/** The result of `promise`, or the signal's reason if that comes first. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort);
  promise.catch(() => {}); // it may fail after nobody waits for it any more
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Resolves after `ms`; rejects with the signal's reason. Keeps no timer behind. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  try {
    await orAborted(promise, signal);
  } finally {
    clearTimeout(timer);
  }
}

/** A signal that other signals and a timer abort; disposing of it takes the timer away. */
export class Patience implements Disposable {
  readonly signal: AbortSignal;
  readonly #timer: ReturnType<typeof setTimeout>;

  /** `late` makes the reason of an abort after `ms`. */
  constructor(ms: number, late: () => unknown, ...parents: (AbortSignal | undefined)[]) {
    const timer = new AbortController();
    this.signal = AbortSignal.any([
      ...parents.filter((parent) => parent !== undefined),
      timer.signal,
    ]);
    this.#timer = setTimeout(() => timer.abort(late()), Math.min(ms, 0x7fffffff));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** How {@linkcode retrying} ends. */
export interface RetryOptions extends RegistryOptions {
  /** Aborted when the registry is closed. */
  closed: AbortSignal;
  /** The error at the deadline, from its length and the last failure. */
  late(deadlineMs: number, cause: unknown): Error;
  /** Milliseconds for one try. @default 3000 */
  tryMs?: number;
}

/**
 * Calls `attempt` until it succeeds, with growing pauses. An `OrreryError` is thrown on at once:
 * trying again would not help. Each attempt gets a signal that ends it, and its number from 0.
 */
export async function retrying<T>(
  { closed, late, deadlineMs = DEADLINE_MS, signal, tryMs = TRY_MS }: RetryOptions,
  attempt: (signal: AbortSignal, number: number) => Promise<T>,
): Promise<T> {
  let cause: unknown;
  using whole = new Patience(deadlineMs, () => late(deadlineMs, cause), signal, closed);
  for (let number = 0;; number++) {
    try {
      whole.signal.throwIfAborted();
      const silent = () => new Error(`no answer for ${tryMs} ms`);
      using one = new Patience(tryMs, silent, whole.signal);
      return await orAborted(attempt(one.signal, number), one.signal);
    } catch (error) {
      if (whole.signal.aborted) throw whole.signal.reason;
      if (error instanceof OrreryError) throw error;
      cause = error;
    }
    await pause(pauseAfter(number), whole.signal);
  }
}

/** Milliseconds to wait after so many failures and one more. */
export function pauseAfter(failures: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures) * (0.5 + Math.random() / 2);
}
