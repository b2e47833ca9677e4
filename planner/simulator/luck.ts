/**
 * Decides which drafted tokens are accepted: at random with a seed, or exactly as often as
 * expected.
 *
 * @module
 */
import { branchAcceptance, treeTokens } from "../decode/mod.ts";

/** Drafted rows of a tree with so many alternatives at each depth: `[2, 1]` has 2 + 2. */
export function treeRows(tree: number[]): number {
  let rows = 0;
  let width = 1;
  for (const branches of tree) rows += width *= branches;
  return rows;
}

/** How often drafts are right. */
export interface DraftLuck {
  /** Acceptance rate of drafted tokens, 0 to 1. */
  acceptance: number;
  /**
   * Of the cases in which the best token is wrong, the share, 0 to 1, in which the second best is
   * right, at acceptance 1. See {@linkcode branchAcceptance}.
   */
  secondShare: number;
}

/** Decides about drafts. The same seed and the same calls give the same answers. */
export class Luck {
  #drafts: DraftLuck;
  /** State of the random numbers; undefined: nothing is random. */
  #state: number | undefined;
  /** Expected tokens that were not given yet, as a fraction. */
  #carriedTokens = 0;
  /** Expected right guesses that were not given yet, as a fraction. */
  #carriedGuesses = 0;

  /**
   * `seed` undefined: nothing is random, and in the long run the shares are exactly the expected
   * ones.
   */
  constructor(drafts: DraftLuck, seed?: number) {
    this.#drafts = drafts;
    this.#state = seed === undefined ? undefined : seed >>> 0;
  }

  /** How many tokens of a draft tree's accepted path there are. */
  accepted(tree: number[]): number {
    if (this.#state === undefined) {
      const { acceptance, secondShare } = this.#drafts;
      this.#carriedTokens += treeTokens(acceptance, secondShare, tree) - 1;
      const whole = Math.min(tree.length, Math.floor(this.#carriedTokens + 1e-9));
      this.#carriedTokens -= whole;
      return whole;
    }
    const { acceptance, secondShare } = this.#drafts;
    let count = 0;
    for (const branches of tree) {
      if (this.#uniform() >= branchAcceptance(acceptance, secondShare, branches)) break;
      count++;
    }
    return count;
  }

  /** Whether a single guessed token is right. */
  guessed(): boolean {
    if (this.#state !== undefined) return this.#uniform() < this.#drafts.acceptance;
    this.#carriedGuesses += this.#drafts.acceptance;
    if (this.#carriedGuesses < 1 - 1e-9) return false;
    this.#carriedGuesses -= 1;
    return true;
  }

  /** A uniform number in [0, 1), by mulberry32 with 32 bits of state. */
  #uniform(): number {
    this.#state = (this.#state! + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
}
