/**
 * What each API key uses of a node, held against the limits that it was made with: requests in
 * flight, and tokens a minute. Tokens of prompt and answer are counted when a request ends; a key
 * that has used more than its minute's has to wait until that is made up for.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import type { KeyLimits } from "./key_file.ts";

/** Milliseconds over which tokens are counted. */
const MINUTE_MS = 60_000;

/** What is left to a key; undefined: it has no such limit. */
export interface KeyRoom {
  requests?: { limit: number; left: number };
  /** `resetS`: seconds until all of its tokens are there again. */
  tokens?: { limit: number; left: number; resetS: number };
}

/** A request of a key. */
export interface KeyRequest {
  /** It is over and has used so many tokens; further calls do nothing. */
  end(tokens: number): void;
}

/** What a key uses. */
interface UsedByKey {
  inFlight: number;
  /** Tokens that are left, at `at`; negative: more than a minute's were used. */
  left: number;
  at: number;
}

/** See the module's text. */
export class KeyUsage {
  readonly #now: () => number;
  /** By the key's id; those that use nothing are forgotten. */
  readonly #used = new Map<string, UsedByKey>();

  /** `now`: milliseconds since any fixed point. @default now performance.now */
  constructor({ now = () => performance.now() }: { now?: () => number } = {}) {
    this.#now = now;
  }

  /**
   * A request of the key with this id begins. Throws group `api`, code `key_limit` (metadata:
   * `limit`, `retry_after_s`), where the key has as many in flight as it may, or has used its tokens.
   */
  begin(id: string, limits: KeyLimits): KeyRequest {
    const used = this.#usedBy(id, limits);
    const { requests, tokens_per_minute: most } = limits;
    if (requests !== undefined && used.inFlight >= requests) {
      throw overLimit(
        `this API key has ${used.inFlight} requests in flight, which is its limit`,
        { limit: requests, retry_after_s: 1 },
      );
    }
    if (most !== undefined && used.left <= 0) {
      const retry_after_s = Math.max(1, Math.ceil((1 - used.left) * MINUTE_MS / most / 1000));
      throw overLimit(
        `this API key has used its ${most} tokens a minute; try again in ${retry_after_s} s`,
        { limit: most, retry_after_s },
      );
    }
    used.inFlight++;
    let open = true;
    return {
      end: (tokens) => {
        if (!open) return;
        open = false;
        const now = this.#usedBy(id, limits);
        now.inFlight--;
        now.left -= tokens;
      },
    };
  }

  /** What is left to a key. */
  room(id: string, limits: KeyLimits): KeyRoom {
    const { inFlight, left } = this.#usedBy(id, limits);
    const { requests, tokens_per_minute: most } = limits;
    return {
      requests: requests === undefined
        ? undefined
        : { limit: requests, left: Math.max(0, requests - inFlight) },
      tokens: most === undefined ? undefined : {
        limit: most,
        left: Math.max(0, Math.floor(left)),
        resetS: Math.ceil((most - left) * MINUTE_MS / most / 1000),
      },
    };
  }

  #usedBy(id: string, { tokens_per_minute: most = 0 }: KeyLimits): UsedByKey {
    const now = this.#now();
    let used = this.#used.get(id);
    if (!used) this.#used.set(id, used = { inFlight: 0, left: most, at: now });
    used.left = Math.min(most, used.left + (now - used.at) / MINUTE_MS * most);
    used.at = now;
    return used;
  }
}

const overLimit = (message: string, metadata: Record<string, number>): OrreryError =>
  new OrreryError({ group: "api", code: "key_limit", message, metadata });
