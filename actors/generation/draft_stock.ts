/**
 * Drafted tokens of one lane that the lane has not reached yet, whether they have rows or not.
 *
 * @module
 */

/** One drafted token. */
export interface DraftedToken {
  token: number;
  /** Place in the drafter's answer: 1 for the first token, 2 for the next ... */
  depth: number;
  /** The drafter's probability of the token given the ones before it, 0 to 1. */
  chance: number;
  /** Other tokens for the same place, as [token, probability]. */
  alternatives: readonly (readonly [token: number, chance: number])[];
}

/** What a drafter answered. */
export interface DraftAnswer {
  /** Token ids, each after the one before. */
  tokens: ArrayLike<number>;
  /** Of each token, 0 to 1. (tokens) */
  chances: ArrayLike<number>;
  /** Of each token, its alternatives; left out: none. (tokens) */
  alternatives?: readonly DraftedToken["alternatives"][];
}

/** See the module's text. */
export class DraftStock {
  /** All token ids: those that were certain when the first draft was made, and the drafted ones. */
  readonly tokens: number[];
  /** Index in `tokens` of the first drafted one. */
  readonly #first: number;
  readonly #drafted: DraftedToken[] = [];
  /**
   * A token that the drafter guessed next is impossible: it has nothing more to say before the lane
   * has passed the stock's end.
   */
  ended = false;
  /** Drafted tokens before this index of `tokens` have been compared with what became certain. */
  #judged: number;

  /** The drafter's answer after the tokens `before`. */
  constructor(before: readonly number[], answer: DraftAnswer) {
    this.tokens = [...before];
    this.#first = this.#judged = before.length;
    this.add(answer);
  }

  /** Adds what the drafter answered after all tokens of the stock. */
  add({ tokens, chances, alternatives = [] }: DraftAnswer): void {
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i];
      this.tokens.push(token);
      this.#drafted.push({
        token,
        depth: i + 1,
        chance: chances[i],
        alternatives: alternatives[i] ?? [],
      });
    }
  }

  /** The drafted token at an index of `tokens`; undefined: there is none. */
  at(index: number): DraftedToken | undefined {
    return this.#drafted[index - this.#first];
  }

  /**
   * The token at this index of `tokens` is impossible: forgets it and those behind it. Returns it;
   * undefined: there is no such token in the stock.
   */
  refuse(index: number, token: number): DraftedToken | undefined {
    const draft = this.at(index);
    if (draft?.token !== token) return undefined;
    this.tokens.length = index;
    this.#drafted.length = index - this.#first;
    this.ended = true;
    return draft;
  }

  /**
   * Compares the stock with the tokens that are certain, from where it was compared last. Calls
   * `told` for each drafted token up to the first wrong one. Returns whether all were right.
   */
  judge(certain: readonly number[], told: (draft: DraftedToken, right: boolean) => void): boolean {
    const end = Math.min(this.tokens.length, certain.length);
    for (; this.#judged < end; this.#judged++) {
      const draft = this.at(this.#judged)!;
      const right = draft.token === certain[this.#judged];
      told(draft, right);
      if (!right) return false;
    }
    return true;
  }

  /**
   * Chance that all drafted tokens from index `from` of `tokens` on come true, 0 to 1; `chanceOf`
   * turns the drafter's probability of one token into the chance that it comes true.
   */
  reach(from: number, chanceOf: (chance: number) => number): number {
    let reach = 1;
    for (const { chance } of this.#drafted.slice(Math.max(0, from - this.#first))) {
      reach *= chanceOf(chance);
    }
    return reach;
  }
}

/** Are two sequences the same as far as both go? */
export function agree(a: readonly number[], b: readonly number[]): boolean {
  for (let i = Math.min(a.length, b.length) - 1; i >= 0; i--) if (a[i] !== b[i]) return false;
  return true;
}
