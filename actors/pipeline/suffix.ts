/**
 * Drafts by what followed the longest end of the text that stood somewhere before: in the text
 * itself, or in earlier answers (Oliaro et al., "SuffixDecoding", 2024).
 *
 * Prompt lookup by n-grams ({@linkcode NgramDrafter}) compares a few tokens and takes the newest
 * place. Here a match may have any length, so that of many places like the newest tokens the one
 * that also agrees before them is found, and of several ways to go on the most frequent one is
 * taken.
 *
 * @module
 */
import { SuffixIndex, type SuffixPlace } from "./suffix_index.ts";

/** Tokens of an index after which the next one is begun. */
const HALF = 32_768;
/** Fewest tokens that must match. */
const LEAST_MATCH = 2;
/** Longest matches, in tokens, of the classes that a rate is kept for. The last has no end. */
const LENGTHS = [1, 2, 3, 4, 6, 9, 15, Infinity];
/** Least shares of the times in which the guess followed of the classes that a rate is kept for. */
const SHARES = [0.9, 0.6, 0];
/** Guesses that a rate counts before its counts are halved, so that earlier ones lose weight. */
const MEMORY = 64;
/** How many guesses a rate's prior estimate counts as. */
const PRIOR_WEIGHT = 4;
/** Prior share of guesses that come true after a very long match, 0 to 1. */
const PRIOR_MOST = 0.95;
/** Factor by which each further matched token lowers the prior share of wrong guesses, 0 to 1. */
const PRIOR_MISS = 0.7;

const START: SuffixPlace = { state: 0, length: 0 };

/**
 * Token sequences in two indices: when the newer one is full, the older one is dropped and the next
 * begins. So memory is bounded (about {@linkcode HALF} x 200 bytes), and the newest half at least
 * is there.
 */
export class SuffixStore {
  #newer = new SuffixIndex();
  #older?: SuffixIndex;
  readonly #half: number;

  /** `half`: tokens of an index. @default 32768 */
  constructor({ half = HALF }: { half?: number } = {}) {
    if (!(Number.isInteger(half) && half >= 1)) {
      throw new RangeError(`an index has at least 1 token, got ${half}`);
    }
    this.#half = half;
  }

  /** Its indices, the newer one first. */
  get indices(): readonly SuffixIndex[] {
    return this.#older ? [this.#newer, this.#older] : [this.#newer];
  }

  /** Bytes of its indices. */
  get bytes(): number {
    return this.indices.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Adds the next token of the current sequence. */
  push(token: number): void {
    if (this.#newer.size >= this.#half) {
      this.#older = this.#newer;
      this.#newer = new SuffixIndex();
    }
    this.#newer.push(token);
  }

  /** The next token begins a sequence of its own. */
  end(): void {
    this.#newer.end();
  }

  /** Adds a sequence of its own. */
  add(tokens: ArrayLike<number>): void {
    this.end();
    for (let i = 0; i < tokens.length; i++) this.push(tokens[i]);
  }
}

/** Where a text stands in an index. */
interface IndexReader {
  index: SuffixIndex;
  place: SuffixPlace;
}

/** A guess at the next tokens. */
export interface SuffixDraft {
  /** Token ids that may follow, in order. */
  tokens: number[];
  /** Chance of each, given that the ones before it are right, 0 to 1. (tokens) */
  chances: number[];
}

/** How often guesses of one kind came true. */
class Rates {
  readonly #hits = new Float64Array(LENGTHS.length * SHARES.length);
  readonly #tries = new Float64Array(LENGTHS.length * SHARES.length);

  /** Takes in whether a guess came true. */
  count(matched: number, share: number, right: boolean): void {
    const i = classOf(matched, share);
    this.#hits[i] += right ? 1 : 0;
    this.#tries[i]++;
    if (this.#tries[i] < MEMORY) return;
    this.#hits[i] /= 2;
    this.#tries[i] /= 2;
  }

  /** Chance that a guess comes true, 0 to 1. */
  chance(matched: number, share: number): number {
    const i = classOf(matched, share);
    const prior = PRIOR_MOST * (1 - PRIOR_MISS ** matched) * share;
    return (this.#hits[i] + PRIOR_WEIGHT * prior) / (this.#tries[i] + PRIOR_WEIGHT);
  }
}

const classOf = (matched: number, share: number) =>
  LENGTHS.findIndex((most) => matched <= most) * SHARES.length +
  SHARES.findIndex((least) => share >= least);

/** Looks a text up in a store, token by token. */
class Lookup {
  readonly #store: SuffixStore;
  /** Whether the text itself is added to the store. */
  readonly #own: boolean;
  readonly #rates = new Rates();
  #readers: IndexReader[] = [];

  constructor(store: SuffixStore, own: boolean) {
    this.#store = store;
    this.#own = own;
  }

  /** Takes in the text's next token. */
  push(token: number): void {
    const guess = this.#guess(this.#best());
    if (guess) this.#rates.count(guess.matched, guess.share, guess.token === token);
    this.#follow();
    for (const reader of this.#readers) reader.place = reader.index.step(reader.place, token);
    if (this.#own) this.#store.push(token);
  }

  /** Guesses at most `length` tokens. */
  draft(length: number): SuffixDraft {
    const draft: SuffixDraft = { tokens: [], chances: [] };
    this.#follow();
    let reader = this.#best();
    while (reader && draft.tokens.length < length) {
      const guess = this.#guess(reader);
      if (!guess) break;
      draft.tokens.push(guess.token);
      draft.chances.push(this.#rates.chance(guess.matched, guess.share));
      reader = { index: reader.index, place: reader.index.step(guess.place, guess.token) };
    }
    return draft;
  }

  /** The index in which most tokens match; of equal ones the newer. */
  #best(): IndexReader | undefined {
    let best: IndexReader | undefined;
    for (const reader of this.#readers) {
      if (!best || reader.place.length > best.place.length) best = reader;
    }
    return best;
  }

  #guess(reader: IndexReader | undefined) {
    const found = reader?.index.guess(reader.place, LEAST_MATCH);
    if (!reader || !found) return undefined;
    const { state, length, token, count, of } = found;
    return { token, share: Math.min(1, count / of), matched: length, place: { state, length } };
  }

  /** Reads the store's present indices; places in those that are still there are kept. */
  #follow(): void {
    const { indices } = this.#store;
    if (indices.length === this.#readers.length && indices[0] === this.#readers[0].index) return;
    this.#readers = indices.map((index) =>
      this.#readers.find((reader) => reader.index === index) ?? { index, place: START }
    );
  }
}

/**
 * See the module's text. It looks the text up in itself and in a store of earlier answers, which
 * others may add to meanwhile.
 */
export class SuffixDrafter {
  readonly #lookups: Lookup[];

  /**
   * `answers`: earlier answers, `before`: token ids that stand before the text and are no part of it.
   * @default none
   */
  constructor(
    { answers, before = [] }: { answers?: SuffixStore; before?: ArrayLike<number> } = {},
  ) {
    const own = new SuffixStore();
    own.add(before);
    own.end();
    this.#lookups = [new Lookup(own, true)];
    if (answers) this.#lookups.push(new Lookup(answers, false));
  }

  /** Takes in the text's next token id. */
  push(token: number): void {
    for (const lookup of this.#lookups) lookup.push(token);
  }

  /** Guesses at most `length` token ids: the draft that is expected to give the most tokens. */
  draft(length: number): SuffixDraft {
    const drafts = this.#lookups.map((lookup) => lookup.draft(length));
    return drafts.reduce((best, draft) =>
      expectedTokens(draft) > expectedTokens(best) ? draft : best
    );
  }
}

/** Tokens that a draft is expected to give, from the chance of each after the ones before it. */
export function expectedTokens({ chances }: { chances: readonly number[] }): number {
  let [sum, reach] = [0, 1];
  for (const chance of chances) sum += reach *= chance;
  return sum;
}
