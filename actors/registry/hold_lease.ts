/**
 * The holder's side of a lease: renews it, and knows by its own monotonic clock until when it is
 * certain.
 *
 * @module
 */
import type { Clock } from "../system/mod.ts";
import { hasCode } from "../system/mod.ts";
import type { Registry } from "./contract.ts";
import { leaseLost } from "./errors.ts";

/** Options of {@linkcode holdLease}. */
export interface HoldLeaseOptions {
  /** Milliseconds without a renewal after which the lease lapses. */
  ttlMs: number;
  /** Times renewals and their end. Only differences of this one clock are used. */
  clock: Clock;
}

/** A lease that renews itself until it is released or lost. */
export interface HeldLease {
  /** Names the lease in `transact`. */
  readonly id: string;
  /**
   * Aborted with `registry/lease_lost` as soon as it is not certain any more that the lease is
   * held: `ttlMs` after the last renewal that succeeded was *sent*, which is never later than the
   * registry gives it to another; or at once when the registry says that it lapsed.
   */
  readonly signal: AbortSignal;
  /** Milliseconds for which it is certain that the lease is held; 0 when it is not. */
  remainingMs(): number;
  /** Stops the renewals and revokes the lease; errors are ignored, since it lapses anyway. */
  release(): Promise<void>;
}

/** Takes a lease and renews it three times in its length. Throws what `grant` throws. */
export async function holdLease(
  registry: Registry,
  { ttlMs: asked, clock }: HoldLeaseOptions,
): Promise<HeldLease> {
  let sent = clock.now();
  const { id, ttlMs } = await registry.grant(asked, { deadlineMs: asked });
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
  const renewed = (at: number) => {
    sent = at;
    cancelEnd();
    cancelEnd = clock.after(Math.max(0, sent + ttlMs - clock.now()), () => end(leaseLost(id)));
  };
  const renew = async () => {
    const at = clock.now();
    try {
      await registry.keepAlive(id, { deadlineMs: ttlMs / 3, signal: calls.signal });
      if (!lost.signal.aborted) renewed(at);
    } catch (error) {
      if (hasCode(error, "lease_lost")) end(error);
      // Anything else may pass: the next renewal, or the end of the lease, decides.
    }
    if (!lost.signal.aborted) cancelTimer = clock.after(ttlMs / 3, () => void renew());
  };
  renewed(sent);
  cancelTimer = clock.after(ttlMs / 3, () => void renew());

  return {
    id,
    signal: lost.signal,
    remainingMs: () => lost.signal.aborted ? 0 : Math.max(0, sent + ttlMs - clock.now()),
    async release() {
      end(leaseLost(id));
      await registry.revoke(id, { deadlineMs: ttlMs }).catch(() => {});
    },
  };
}
