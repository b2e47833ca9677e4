/**
 * Prompt lookup: if the last few tokens stood somewhere before in the text, what followed them
 * there is likely to follow again (Saxena, "Prompt Lookup Decoding", 2023). It needs no model, and
 * works well where an answer repeats its prompt or itself.
 *
 * @module
 */

/** Options of {@linkcode NgramDrafter.draft}. */
export interface NgramOptions {
  /** Fewest tokens that must match. @default 2 */
  minMatch?: number;
  /**
   * Most tokens that are compared, 1 .. {@linkcode NgramDrafter.longest}. @default {@linkcode
   * NgramDrafter.longest}
   */
  maxMatch?: number;
  /**
   * Token ids that are assumed to follow those pushed, e.g. a draft that is being verified. A match
   * may not stand among them. @default none
   */
  after?: ArrayLike<number>;
}

/** A draft by prompt lookup. */
export interface NgramDraft {
  /** Token ids that may follow, in order. */
  tokens: Int32Array;
  /**
   * Estimated chance that the text agrees up to and including each token, from how often such
   * guesses came true. Never rises along the draft. (tokens)
   */
  chances: Float32Array;
}

/** Guesses that a rate counts before its counts are halved, so that earlier ones lose weight. */
const MEMORY = 64;
/** How many guesses a rate's prior estimate counts as. */
const PRIOR_WEIGHT = 4;
/** Prior share of guesses that come true after a very long match, 0 to 1. */
const PRIOR_MOST = 0.9;
/** Factor by which each further matched token lowers the prior share of wrong guesses, 0 to 1. */
const PRIOR_MISS = 0.6;

/**
 * See the module's text. Pushing a token, and drafting, take as many hash operations as a match may
 * be long.
 */
export class NgramDrafter {
  /** Most tokens of a match. */
  readonly longest: number;
  readonly #tokens: number[] = [];
  /**
   * By match length - 1: hash of that many tokens -> the last position at which such tokens end.
   */
  readonly #last: Map<number, number>[];
  /** By match length - 1 and position: the position before it with the same hash, -1 for none. */
  readonly #before: number[][];
  /** By match length - 1: how many guesses after a longest match of that length came true. */
  readonly #hits: Float64Array;
  /** By match length - 1: how many guesses there were after a longest match of that length. */
  readonly #tries: Float64Array;

  /**
   * `longest`: most tokens of a match. @default 5. Throws RangeError unless it is a whole number
   * from 1 to 16.
   */
  constructor(options: { longest?: number } = {}) {
    const { longest = 5 } = options;
    if (!(Number.isInteger(longest) && longest >= 1 && longest <= 16)) {
      throw new RangeError(`matches are 1 to 16 tokens long, got ${longest}`);
    }
    this.longest = longest;
    this.#last = Array.from({ length: longest }, () => new Map());
    this.#before = Array.from({ length: longest }, () => []);
    this.#hits = new Float64Array(longest);
    this.#tries = new Float64Array(longest);
  }

  /** Tokens pushed so far. */
  get length(): number {
    return this.#tokens.length;
  }

  /** Adds the text's next token, and counts whether it would have been guessed. */
  push(token: number): void {
    const guess = this.#match([], 1, this.longest);
    if (guess) {
      const i = guess.matched - 1;
      this.#hits[i] += this.#tokens[guess.end + 1] === token ? 1 : 0;
      this.#tries[i]++;
      if (this.#tries[i] >= MEMORY) {
        this.#hits[i] /= 2;
        this.#tries[i] /= 2;
      }
    }
    const end = this.#tokens.push(token) - 1;
    let hash = 0;
    for (let n = 0; n < this.longest; n++) {
      if (n <= end) hash = mix(hash, this.#tokens[end - n]);
      this.#before[n].push(n <= end ? this.#last[n].get(hash) ?? -1 : -1);
      if (n <= end) this.#last[n].set(hash, end);
    }
  }

  /** Guesses `length` tokens; none if the end of the text stands nowhere before. */
  draft(length: number, options: NgramOptions = {}): NgramDraft {
    const { minMatch = 2, maxMatch = this.longest, after = [] } = options;
    const guess = this.#match(after, minMatch, Math.min(maxMatch, this.longest));
    if (!guess) return { tokens: new Int32Array(0), chances: new Float32Array(0) };
    const tokens = new Int32Array(length);
    const chances = new Float32Array(length);
    const known = this.#tokens.length;
    let chance = 1;
    for (let i = 0; i < length; i++) {
      const from = guess.end + 1 + i;
      // Where the match reaches up to the end of the text, the guess repeats itself from there on.
      tokens[i] = from < known
        ? this.#tokens[from]
        : from < known + after.length
        ? after[from - known]
        : tokens[from - known - after.length];
      chance *= this.rate(guess.matched + i);
      chances[i] = chance;
    }
    return { tokens, chances };
  }

  /**
   * Share, 0 to 1, of guesses that came true after a match of so many tokens. A match longer than
   * `longest` counts as one of `longest` tokens.
   */
  rate(matched: number): number {
    const i = Math.min(matched, this.longest) - 1;
    const prior = PRIOR_MOST * (1 - PRIOR_MISS ** (i + 1));
    return (this.#hits[i] + PRIOR_WEIGHT * prior) / (this.#tries[i] + PRIOR_WEIGHT);
  }

  /**
   * Where the end of the text (pushed tokens, then `after`) stood before: the longest match, and of
   * equal ones the last. `end`: position of its last token; `matched`: its tokens.
   */
  #match(
    after: ArrayLike<number>,
    min: number,
    max: number,
  ): { end: number; matched: number } | undefined {
    const known = this.#tokens.length;
    const total = known + after.length;
    const at = (i: number) => i < known ? this.#tokens[i] : after[i - known];
    const hashes: number[] = [];
    for (let n = 0, hash = 0; n < max && n < total; n++) {
      hashes.push(hash = mix(hash, at(total - 1 - n)));
    }
    for (let n = hashes.length; n >= min; n--) {
      let end = this.#last[n - 1].get(hashes[n - 1]) ?? -1;
      if (end === total - 1) end = this.#before[n - 1][end];
      if (end < 0) continue;
      let same = 0;
      while (same < n && this.#tokens[end - same] === at(total - 1 - same)) same++;
      if (same === n) return { end, matched: n };
    }
    return undefined;
  }
}

/** 32-bit hash of a hash and a token (the finaliser of MurmurHash3). */
function mix(hash: number, token: number): number {
  let x = Math.imul(hash, 31) + token + 0x9e3779b9 | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
