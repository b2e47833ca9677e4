/**
 * How many copies of a deployment there should be. A pure function of its policy and of what its
 * requests are at.
 *
 * @module
 */
import type { DeploymentPolicy } from "../graph/mod.ts";

/** Milliseconds for which requests must have been too many before a copy is added. */
export const BUSY_MS = 3_000;

/** What is seen of a deployment; times in milliseconds. */
export interface CopiesSeen {
  /** Copies that there are. */
  copies: number;
  /** Requests that run or wait, at all nodes. */
  requests: number;
  /** For how long there has been no request; 0: there is one. */
  idleMs: number;
  /** For how long there have been more requests than the copies are planned for. */
  busyMs: number;
  /** For how long one copy fewer would have done. */
  spareMs: number;
}

/** The policy with its defaults filled in. */
export function copyLimits({ min, max, keep_warm }: DeploymentPolicy): {
  least: number;
  most: number;
  warm: number;
} {
  const least = Math.max(1, min);
  return { least, most: max ?? least, warm: keep_warm ?? min };
}

/** How many copies there should be. */
export function wantedCopies(policy: DeploymentPolicy, seen: CopiesSeen): number {
  const { copies, requests, idleMs, busyMs, spareMs } = seen;
  const { least, most, warm } = copyLimits(policy);
  const idleFor = policy.idle * 1000;
  if (requests === 0) return idleMs >= idleFor ? Math.min(copies, warm) : Math.min(copies, most);
  if (copies < least) return least;
  if (busyMs >= BUSY_MS && copies < most) return copies + 1;
  return spareMs >= idleFor && copies > least ? copies - 1 : Math.min(copies, most);
}

/** Follows the requests of a deployment over time, for {@linkcode wantedCopies}. */
export class CopiesWatch {
  /** When there was a request last, enough room last, and no spare copy last. */
  #used: number;
  #enough: number;
  #needed: number;

  /** `now`: milliseconds; it counts as used at this time. */
  constructor(now: number) {
    this.#used = this.#enough = this.#needed = now;
  }

  /** A request came at `now`. */
  used(now: number): void {
    this.#used = Math.max(this.#used, now);
  }

  /**
   * `requests` run or wait at `now`, or were there `idleMs` ago at the latest; each copy is planned for
   * `concurrent` at once.
   */
  saw(
    now: number,
    { requests, idleMs, copies, concurrent }: {
      requests: number;
      idleMs: number;
      copies: number;
      concurrent: number;
    },
  ): CopiesSeen {
    this.#used = Math.max(this.#used, requests > 0 ? now : now - idleMs);
    if (requests <= copies * concurrent) this.#enough = now;
    if (requests > (copies - 1) * concurrent) this.#needed = now;
    return {
      copies,
      requests,
      idleMs: now - this.#used,
      busyMs: now - this.#enough,
      spareMs: now - this.#needed,
    };
  }
}
