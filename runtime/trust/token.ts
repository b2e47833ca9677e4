/**
 * The text of a join token: `o1`, the SHA-256 of the authority's certificate, `::`, the token's id,
 * `.` and its secret. By the hash a node knows the right cluster before it sends the secret; k3s's
 * tokens have the same shape.
 *
 * @module
 */
import { trustError } from "./errors.ts";

/** A join token. */
export interface JoinToken {
  /** SHA-256 of the authority's certificate (DER), 64 hexadecimal digits. */
  authority: string;
  /** Public name of the token, 8 characters. */
  id: string;
  /** 32 random bytes, base64url. */
  secret: string;
}

const TOKEN = /^o1([0-9a-f]{64})::([a-z0-9]{8})\.([A-Za-z0-9_-]{43})$/;

/** The text of a token. */
export function formatToken({ authority, id, secret }: JoinToken): string {
  return `o1${authority}::${id}.${secret}`;
}

/** The token with this text. Throws `bad_token` (group `trust`); the text is not repeated. */
export function parseToken(text: string): JoinToken {
  const match = TOKEN.exec(text.trim());
  if (match) return { authority: match[1], id: match[2], secret: match[3] };
  const whole = "o1, 64 hexadecimal digits, ::, 8 characters, a dot and 43 characters";
  const why = !text.trim().startsWith("o1")
    ? "it does not begin with o1"
    : `it has ${text.trim().length} characters in place of 120, so it may have been cut`;
  throw trustError("bad_token", `this is no join token: ${why}; a token is ${whole}`);
}
