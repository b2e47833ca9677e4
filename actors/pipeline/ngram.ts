/**
 * Prompt lookup: what followed the last few tokens the last time that they stood there is likely to
 * follow again (Saxena, "Prompt Lookup Decoding", 2023). Needs no model: good where an answer
 * repeats its prompt or itself.
 *
 * @module
 */

/** Options of {@linkcode NgramDrafter.draft}. */
export interface NgramOptions {
  /** Tokens that must match at least. @default 2 */
  minMatch?: number;
  /** Tokens that are compared at most, 1 .. {@linkcode NgramDrafter.longest}. @default all */
  maxMatch?: number;
  /**
   * Tokens that are taken to follow those pushed, though they are not certain yet; they are not
   * searched. @default none
   */
  after?: ArrayLike<number>;
}

/** A guess. */
export interface NgramDraft {
  /** What may follow, in order. */
  tokens: Int32Array;
  /**
   * Chance that the text comes so far, by how often such guesses came true: never rises. (tokens)
   */
  chances: Float32Array;
}

/** Rates are of about so many guesses: earlier ones fade. */
const MEMORY = 64;
/** Guesses that a rate's first estimate counts as. */
const PRIOR_WEIGHT = 4;

/** See the module's text. A step costs as many hash operations as a match may be long. */
export class NgramDrafter {
  /** Tokens that a match is compared over at most. */
  readonly longest: number;
  readonly #tokens: number[] = [];
  /** By match length - 1: hash of that many tokens -> the last position at which they end. */
  readonly #last: Map<number, number>[];
  /** By match length - 1 and position: the position before with the same hash, -1 for none. */
  readonly #before: number[][];
  /** By match length - 1: guesses that came true and all, of the longest match each time. */
  readonly #hits: Float64Array;
  readonly #tries: Float64Array;

  /** Throws RangeError unless `longest` is a whole number from 1 to 16. */
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

  /** The text has grown by a token. Notes whether it would have been guessed. */
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

  /** Guesses up to `length` tokens; none if the end of the text stands nowhere before. */
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
      // A match that reaches up to the end goes round: what it repeats is the guess itself.
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
   * Share of guesses that came true after a match of so many tokens (the longest is taken for
   * longer ones).
   */
  rate(matched: number): number {
    const i = Math.min(matched, this.longest) - 1;
    const prior = 0.9 * (1 - 0.6 ** (i + 1));
    return (this.#hits[i] + PRIOR_WEIGHT * prior) / (this.#tries[i] + PRIOR_WEIGHT);
  }

  /**
   * The last place where the end of the text (pushed, then `after`) stood before: the longest match
   * wins.
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

/** Hash of a hash and a token, 32 bits (finaliser of MurmurHash3). */
function mix(hash: number, token: number): number {
  let x = Math.imul(hash, 31) + token + 0x9e3779b9 | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
