/**
 * At-least-once delivery of messages with an idempotency key: a message that may not have been
 * handled is sent again until its deadline. The receiver tells by the key what it has handled.
 *
 * @module
 */
import { MOST_KEY_CHARS } from "./durable.ts";
import type { Clock } from "./envelope.ts";
import { hasCode, OrreryError } from "./errors.ts";
import { badKey } from "./refusals.ts";

/** Milliseconds until the first repetition; twice as long before each further one. */
const FIRST_PAUSE_MS = 50;
/** Longest pause between two, milliseconds. */
const LONGEST_PAUSE_MS = 1_000;

/**
 * Errors that say nothing of the message itself: its receiver was lost, moves, starts or could not
 * save. A crash of the handler is an answer, and not among them.
 */
const PASSING: Record<string, readonly string[]> = {
  actor: [
    ...["stale_epoch", "fenced", "not_here", "no_owner", "closed", "stopped", "unknown_kind"],
    ...["unknown_epoch", "state_not_saved"],
  ],
  mailbox: ["peer_lost", "unknown_peer"],
  registry: ["unavailable", "outcome_unknown"],
};

/** What {@linkcode deliverAgain} must know of the message. */
export interface AgainOptions {
  clock: Clock;
  /** Milliseconds for all deliveries together. */
  deadlineMs: number;
  signal?: AbortSignal;
  key: string;
  to: string;
  type: string;
}

/**
 * Sends until the message is answered, refused or its deadline has passed. `send` is given the
 * milliseconds that are left. Throws what the last delivery threw, and `bad_key`.
 */
export async function deliverAgain(
  send: (leftMs: number) => Promise<unknown>,
  { clock, deadlineMs, signal, key, to, type }: AgainOptions,
): Promise<unknown> {
  if (key === "" || key.length > MOST_KEY_CHARS) throw badKey(to, type, key.length);
  const until = clock.now() + deadlineMs;
  for (let pause = FIRST_PAUSE_MS;; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await send(Math.max(1, until - clock.now()));
    } catch (error) {
      if (!passes(error) || clock.now() + pause >= until || signal?.aborted) throw error;
    }
    await paused(clock, pause, signal);
  }
}

function passes(error: unknown): boolean {
  return error instanceof OrreryError &&
    (PASSING[error.group]?.some((code) => hasCode(error, code)) ?? false);
}

/** Resolves after so long. Rejects with the signal's reason if that comes first. */
function paused(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = () => {
      cancel();
      signal?.removeEventListener("abort", over);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    };
    const cancel = clock.after(ms, over);
    signal?.addEventListener("abort", over, { once: true });
  });
}
