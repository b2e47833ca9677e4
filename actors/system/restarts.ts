/**
 * Counts an actor's crashes: after too many within a time it has failed, and refuses messages for as
 * long.
 *
 * @module
 */
import type { Policy } from "./define.ts";
import type { OrreryError } from "./errors.ts";
import { actorFailed } from "./refusals.ts";

const DEFAULT_RESTARTS = { max: 3, withinMs: 60_000 };

/** See the module's text; of one activation. */
export class Restarts {
  readonly #policy: NonNullable<Policy["restarts"]>;
  /** When it crashed, milliseconds of the system's clock; those of long ago are left out. */
  #crashes: number[] = [];
  /** Time until which it refuses messages. */
  #failedUntil = -Infinity;

  constructor(policy: Policy["restarts"] = DEFAULT_RESTARTS) {
    this.#policy = policy;
  }

  /**
   * Notes a crash of the actor at this address. Returns the error with which what waits for it is
   * refused; undefined: so many crashes are tolerated.
   */
  crashed(address: string, now: number): OrreryError | undefined {
    const { max, withinMs } = this.#policy;
    this.#crashes = [...this.#crashes.filter((at) => now - at < withinMs), now];
    if (this.#crashes.length <= max) return undefined;
    this.#failedUntil = now + withinMs;
    return actorFailed(address, this.#crashes.length, withinMs);
  }

  /** Why a message for the actor at this address is refused now; undefined: it is not. */
  refusal(address: string, now: number): OrreryError | undefined {
    const leftMs = this.#failedUntil - now;
    return leftMs > 0 ? actorFailed(address, this.#policy.max + 1, Math.ceil(leftMs)) : undefined;
  }
}
