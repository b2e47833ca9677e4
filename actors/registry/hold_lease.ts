/**
 * The holder's side of a lease: renews it, and knows by its own monotonic clock until when it is
 * certain.
 *
 * @module
 */
import { type Clock, hasCode } from "../system/mod.ts";
import type { Registry } from "./contract.ts";
import { leaseLost } from "./errors.ts";

/**
 * How much a clock may run too fast or too slow. One second of a clock is 0.99 to 1.01 true
 * seconds; crystals are within 0.0001, and time services steer by at most 0.0005.
 */
export const MAX_CLOCK_DRIFT = 0.01;

/**
 * The part of a lease that its holder trusts: with a clock as slow as may be, and a judge whose
 * clock is as fast as may be, it has passed before the lease lapses ((1 - d) / (1 + d) > 1 - 2 d).
 */
const CERTAIN_PART = 1 - 2 * MAX_CLOCK_DRIFT;

/** A lease is renewed after this part of its length, counted from when its last renewal was sent. */
const RENEW_PART = 1 / 3;
/**
 * While a renewal is not answered, another one is sent after this part of the length: beside the
 * first, so that a slow answer still counts. Four fit into a lease.
 */
const AGAIN_PART = 1 / 6;

/** Options of {@linkcode holdLease}. */
export interface HoldLeaseOptions {
  /** Milliseconds without a renewal after which the lease lapses. */
  ttlMs: number;
  /** Times renewals and their end. Only differences of this one clock are used. */
  clock: Clock;
  /** Ends the wait for the lease; a lease that was granted unheard lapses. */
  signal?: AbortSignal;
}

/** A lease that renews itself until it is released or lost. */
export interface HeldLease {
  /** Names the lease in `transact`. */
  readonly id: string;
  /**
   * Aborted with `registry/lease_lost` as soon as it is not certain any more that the lease is
   * held: 98 % of `ttlMs` after the last renewal that succeeded was *sent*, which is before the
   * registry gives it to another ({@linkcode MAX_CLOCK_DRIFT}); or at once when the registry says
   * that it lapsed.
   */
  readonly signal: AbortSignal;
  /**
   * Milliseconds for which it is certain that the lease is held, by the clock, also where a timer
   * is late because the process stood still. Once it was 0, the lease is lost for good.
   */
  remainingMs(): number;
  /** Stops the renewals and revokes the lease; errors are ignored, since it lapses anyway. */
  release(): Promise<void>;
}

/**
 * Takes a lease and renews it three times in its length, more often where the registry does not
 * answer. Throws what `grant` throws.
 */
export async function holdLease(
  registry: Registry,
  { ttlMs: asked, clock, signal }: HoldLeaseOptions,
): Promise<HeldLease> {
  const asking = clock.now();
  const { id, ttlMs } = await registry.grant(asked, { deadlineMs: asked, signal });
  /** Until when it is certain that the lease is held, by `clock`. */
  let until = asking + ttlMs * CERTAIN_PART;
  /** When the last renewal was sent, and the last of those that succeeded. */
  let sentAt = asking;
  let renewedAt = asking;
  const lost = new AbortController();
  const calls = new AbortController();
  let cancelTimer = () => {};
  let cancelEnd = () => {};

  const end = (error: unknown) => {
    cancelTimer();
    cancelEnd();
    calls.abort(error);
    lost.abort(error);
  };
  const remainingMs = () => {
    if (lost.signal.aborted) return 0;
    const left = until - clock.now();
    if (left <= 0) end(leaseLost(id));
    return Math.max(0, left);
  };
  const watchEnd = () => {
    cancelEnd();
    // A timer may fire a little early: then it is set anew.
    const left = remainingMs();
    if (left > 0) cancelEnd = clock.after(left, watchEnd);
  };
  const plan = () => {
    cancelTimer();
    if (lost.signal.aborted) return;
    const due = sentAt > renewedAt ? sentAt + ttlMs * AGAIN_PART : renewedAt + ttlMs * RENEW_PART;
    cancelTimer = clock.after(Math.max(0, due - clock.now()), () => void renew());
  };
  const renew = async () => {
    const deadlineMs = remainingMs();
    if (deadlineMs === 0) return;
    const at = sentAt = clock.now();
    plan();
    try {
      await registry.keepAlive(id, { deadlineMs, signal: calls.signal });
      if (remainingMs() === 0 || at < renewedAt) return;
      renewedAt = at;
      until = at + ttlMs * CERTAIN_PART;
      watchEnd();
      plan();
    } catch (error) {
      if (hasCode(error, "lease_lost")) end(error);
      // Anything else may pass: the next renewal, or the end of the lease, decides.
    }
  };
  plan();
  watchEnd();

  return {
    id,
    signal: lost.signal,
    remainingMs,
    async release() {
      end(leaseLost(id));
      await registry.revoke(id, { deadlineMs: ttlMs }).catch(() => {});
    },
  };
}
