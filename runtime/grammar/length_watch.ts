/**
 * Holds strings to long `maxLength`s. In a grammar of tokens each character of a limit is a state for
 * which the engine looks at the whole vocabulary, 30 to 80 ms each with 152,000 tokens. So the grammar
 * leaves long limits out, and a second one, exact and with bytes for tokens, tells beside it how many
 * characters a string may still have; tokens with more are then taken out of the mask.
 *
 * @module
 */
import type { GrammarMatcher } from "@mlc-ai/web-xgrammar";
import type { Vocabulary } from "../../models/mod.ts";

/** Most characters of a token that are told apart. */
const MOST_CHARS = 200;

/** A character that every string without a pattern may have, and a byte that ends a string. */
const PROBE = "a".charCodeAt(0);
const QUOTE = '"'.charCodeAt(0);
const BACKSLASH = "\\".charCodeAt(0);

/** Bytes that stand for themselves: the vocabulary of the exact grammar, and of its relaxed form. */
export const BYTE_TOKENS: readonly Uint8Array[] = Array.from(
  { length: 256 },
  (_, byte) => Uint8Array.of(byte),
);

/** How many characters each token of a vocabulary has. */
export class TokenLengths {
  readonly #vocabulary: Vocabulary;
  /** Characters of each token that begin in it: u8 (vocab). */
  readonly #chars: Uint8Array;
  /** Masks of tokens that fit in as many characters; i32 (ceil(vocab / 32)). */
  readonly #fitting = new Map<number, Int32Array>();
  /** Characters of the longest token. */
  readonly longest: number;

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    this.#chars = Uint8Array.from(vocabulary.ends, (_, token) => {
      const begun = this.bytes(token).filter((byte) => (byte & 0xc0) !== 0x80).length;
      return Math.min(MOST_CHARS, begun);
    });
    this.longest = this.#chars.reduce((a, b) => Math.max(a, b), 0);
  }

  /** The bytes of a token. */
  bytes(token: number): Uint8Array {
    const { bytes, ends } = this.#vocabulary;
    return bytes.subarray(token === 0 ? 0 : ends[token - 1], ends[token]);
  }

  /** Tokens of at most `chars` characters, and those that end the string at once. */
  fitting(chars: number): Int32Array {
    let mask = this.#fitting.get(chars);
    if (!mask) {
      mask = new Int32Array(Math.ceil(this.#chars.length / 32));
      for (let token = 0; token < this.#chars.length; token++) {
        const fits = this.#chars[token] <= chars || this.bytes(token)[0] === QUOTE;
        if (fits) mask[token >> 5] |= 1 << (token & 31);
      }
      this.#fitting.set(chars, mask);
    }
    return mask;
  }
}

/** See the module's text. */
export class LengthWatch {
  readonly #exact: GrammarMatcher;
  readonly #relaxed: GrammarMatcher;
  readonly #lengths: TokenLengths;
  /** Bytes of each token that was taken. */
  readonly #taken: number[] = [];
  readonly #bytes: number[] = [];

  /** `exact` and `relaxed` have {@linkcode BYTE_TOKENS} for tokens, with long limits and without. */
  constructor(exact: GrammarMatcher, relaxed: GrammarMatcher, lengths: TokenLengths) {
    this.#exact = exact;
    this.#relaxed = relaxed;
    this.#lengths = lengths;
  }

  /** Takes a token; false: a string would be too long. */
  take(token: number): boolean {
    const bytes = this.#lengths.bytes(token);
    const fits = feed(this.#exact, bytes) && feed(this.#relaxed, bytes, this.#exact);
    if (!fits) return false;
    this.#taken.push(bytes.length);
    this.#bytes.push(...bytes);
    return true;
  }

  /** Forgets the last `count` tokens. */
  back(count: number): void {
    const bytes = this.#taken.splice(this.#taken.length - count).reduce((a, b) => a + b, 0);
    if (bytes === 0) return;
    this.#exact.rollBack(bytes);
    this.#relaxed.rollBack(bytes);
    this.#bytes.length -= bytes;
  }

  /** Takes tokens that are too long for the string under way out of a mask. */
  limit(mask: Int32Array): void {
    const begun = completion(this.#bytes);
    const most = this.#lengths.longest;
    const left = this.#room(this.#exact, begun, most);
    if (left >= most || this.#room(this.#relaxed, begun, left + 1) <= left) return;
    const fitting = this.#lengths.fitting(left + (begun[0] === N ? 1 : 0));
    for (let i = 0; i < mask.length; i++) mask[i] &= fitting[i];
  }

  /** Frees the matchers. */
  close(): void {
    this.#exact.dispose();
    this.#relaxed.dispose();
  }

  /** How many characters a matcher takes now, behind one that is not whole yet; at most `most`. */
  #room(matcher: GrammarMatcher, begun: readonly number[], most: number): number {
    let taken = 0;
    for (const byte of begun) if (matcher.acceptToken(byte)) taken++;
    let room = 0;
    if (taken === begun.length) { while (room < most && matcher.acceptToken(PROBE)) room++; }
    if (taken + room > 0) matcher.rollBack(taken + room);
    return room;
  }
}

/** Takes bytes; false: it takes none of them, and `other`, which has taken them, gives them back. */
function feed(matcher: GrammarMatcher, bytes: Uint8Array, other?: GrammarMatcher): boolean {
  for (let i = 0; i < bytes.length; i++) {
    if (matcher.acceptToken(bytes[i])) continue;
    if (i > 0) matcher.rollBack(i);
    if (bytes.length > 0) other?.rollBack(bytes.length);
    return false;
  }
  return true;
}

const N = "n".charCodeAt(0);

/** Bytes that make the last character whole: of an escape, or of UTF-8; none where it is. */
function completion(bytes: readonly number[]): number[] {
  let slashes = 0;
  while (bytes[bytes.length - 1 - slashes] === BACKSLASH) slashes++;
  if (slashes % 2 === 1) return [N];
  let behind = 0;
  while (behind < 3 && (bytes[bytes.length - 1 - behind] & 0xc0) === 0x80) behind++;
  const lead = bytes[bytes.length - 1 - behind] ?? 0;
  const size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  const missing = size - 1 - behind;
  if (missing <= 0) return [];
  const next = behind > 0 ? 0x80 : lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  return [next, 0x80, 0x80].slice(0, missing);
}
