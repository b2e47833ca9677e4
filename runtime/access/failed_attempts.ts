/**
 * Counts wrong keys by the address that they came from, so that a caller who tries many is told to
 * wait and fills no log. A right key is never counted, so nobody can lock another out.
 *
 * @module
 */
import { isIPv6 } from "node:net";

/** Milliseconds over which attempts are counted. */
const WINDOW_MS = 60_000;
/** Addresses that are remembered; beyond them the one that was seen first is forgotten. */
const MOST_ADDRESSES = 1_024;

/** What to do about a wrong key. */
export interface FailedAttempt {
  /** Seconds that the caller should wait; undefined: it may try again at once. */
  retryAfterS?: number;
  /** Write a line to the log? */
  log: "attempt" | "limit" | "nothing";
}

/** Settings of {@linkcode FailedAttempts}. */
interface FailedAttemptsOptions {
  /** Wrong keys of an address in a minute that are answered one by one. @default 20 */
  most?: number;
  /** Milliseconds since any fixed point. @default performance.now */
  now?: () => number;
}

/** See the module's text. */
export class FailedAttempts {
  readonly #most: number;
  readonly #now: () => number;
  readonly #byAddress = new Map<string, { since: number; count: number }>();

  constructor({ most = 20, now = () => performance.now() }: FailedAttemptsOptions = {}) {
    this.#most = most;
    this.#now = now;
  }

  /** Counts a wrong key from an address. */
  add(address: string): FailedAttempt {
    const now = this.#now();
    const from = group(address);
    let seen = this.#byAddress.get(from);
    if (!seen || now - seen.since >= WINDOW_MS) {
      this.#byAddress.delete(from);
      if (this.#byAddress.size >= MOST_ADDRESSES) {
        this.#byAddress.delete(this.#byAddress.keys().next().value!);
      }
      this.#byAddress.set(from, seen = { since: now, count: 0 });
    }
    seen.count++;
    if (seen.count <= this.#most) return { log: "attempt" };
    const retryAfterS = Math.max(1, Math.ceil((seen.since + WINDOW_MS - now) / 1000));
    return { retryAfterS, log: seen.count === this.#most + 1 ? "limit" : "nothing" };
  }
}

/** An IPv6 caller has a whole /64 network of addresses: they count as one. */
function group(address: string): string {
  if (!isIPv6(address) || address.startsWith("::ffff:")) return address;
  const [head, tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const behind = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - behind.length);
  return [...groups, ...Array(zeros).fill("0"), ...behind].slice(0, 4).join(":");
}
