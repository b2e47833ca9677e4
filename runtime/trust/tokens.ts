/**
 * Join tokens as the cluster keeps them: without their secrets, with an end and a number of uses.
 *
 * @module
 */
import { createHash, randomBytes, randomInt, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { trustError } from "./errors.ts";
import type { RecordStore } from "./record_store.ts";

/** Tokens that ended longer ago than this are forgotten, milliseconds. */
const REMEMBER_MS = 7 * 24 * 3600_000;
const ID_CHARS = "abcdefghijklmnopqrstuvwxyz0123456789";

/** Schema of a token as it is kept. */
export const storedTokenSchema = z.object({
  id: z.string(),
  /** SHA-256 of the secret, hexadecimal. The secret has 256 random bits, so no salt is needed. */
  secret_sha256: z.string(),
  created_ms: z.number(),
  expires_ms: z.number(),
  /** How many nodes it may take in, and how many it has. */
  uses: z.number().int(),
  used: z.number().int(),
  /** What it was made for. */
  note: z.string(),
});
/** A token as it is kept; times are milliseconds since 1970. */
export type StoredToken = z.infer<typeof storedTokenSchema>;

/** See the module's text. */
export class Tokens {
  readonly #store: Pick<RecordStore<StoredToken[]>, "read" | "update">;
  readonly #now: () => number;

  /** `now` tells milliseconds since 1970. */
  constructor(
    store: Pick<RecordStore<StoredToken[]>, "read" | "update">,
    now: () => number = Date.now,
  ) {
    this.#store = store;
    this.#now = now;
  }

  /** Makes a token that takes in so many nodes, and ends after `ttlMs` milliseconds. */
  async create(
    { uses, ttlMs, note }: { uses: number; ttlMs: number; note: string },
  ): Promise<{ id: string; secret: string }> {
    const id = Array.from({ length: 8 }, () => ID_CHARS[randomInt(ID_CHARS.length)]).join("");
    const secret = randomBytes(32).toString("base64url");
    const now = this.#now();
    await this.#store.update((tokens) => {
      const kept = tokens.filter((t) => t.expires_ms > now - REMEMBER_MS && t.id !== id);
      tokens.splice(0, Infinity, ...kept, {
        id,
        secret_sha256: sha256(secret),
        created_ms: now,
        expires_ms: now + ttlMs,
        uses,
        used: 0,
        note,
      });
    });
    return { id, secret };
  }

  /** All tokens, oldest first, also those that have ended. */
  list(): Promise<StoredToken[]> {
    return this.#store.read();
  }

  /** Forgets a token; false: there is none with this id. */
  revoke(id: string): Promise<boolean> {
    return this.#store.update((tokens) => {
      const at = tokens.findIndex((t) => t.id === id);
      if (at >= 0) tokens.splice(at, 1);
      return at >= 0;
    });
  }

  /**
   * Takes one use of a token. Throws `token_unknown`, and for whoever knows the secret
   * `token_expired` and `token_used_up` (group `trust`).
   */
  use({ id, secret }: { id: string; secret: string }): Promise<void> {
    const hash = Buffer.from(sha256(secret));
    const now = this.#now();
    return this.#store.update((tokens) => {
      const token = tokens.find((t) => t.id === id);
      if (!token || !timingSafeEqual(Buffer.from(token.secret_sha256), hash)) {
        throw trustError(
          "token_unknown",
          `the cluster has no token ${id} with this secret: it was revoked, or the text is wrong; ` +
            MAKE_ONE,
          { token: id },
        );
      }
      if (token.expires_ms <= now) {
        const at = new Date(token.expires_ms).toISOString();
        throw trustError("token_expired", `token ${id} expired at ${at}; ${MAKE_ONE}`, {
          token: id,
        });
      }
      if (token.used >= token.uses) {
        throw trustError(
          "token_used_up",
          `token ${id} was for ${token.uses} ${
            token.uses === 1 ? "node, which has" : "nodes, which have"
          } joined; ${MAKE_ONE}`,
          { token: id, uses: token.uses },
        );
      }
      token.used++;
    });
  }
}

const MAKE_ONE = "make another one with `deno task token create` on the first node";

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
