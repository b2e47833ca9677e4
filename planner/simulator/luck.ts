/**
 * Which drafted tokens are accepted: by seeded chance, or as often as expected.
 *
 * @module
 */
import { branchAcceptance, treeTokens } from "../decode/mod.ts";

/** Draft positions of a tree with so many branches at each depth: `[2, 1]` has 2 + 2. */
export function treeRows(tree: number[]): number {
  let rows = 0;
  let width = 1;
  for (const branches of tree) rows += width *= branches;
  return rows;
}

/** What drafts are like. */
export interface Drafts {
  /** Chance that a drafted token is accepted. */
  acceptance: number;
  /**
   * Of the best guess's misses, the share that a second guess meets, at acceptance 1. See
   * {@linkcode branchAcceptance}.
   */
  secondShare: number;
}

/** Decides about drafts. The same seed and the same questions give the same answers. */
export class Luck {
  #drafts: Drafts;
  #state: number | undefined;
  #carriedTokens = 0;
  #carriedGuesses = 0;

  /** `seed` undefined: no chance at all, the long-run shares are exactly the expected ones. */
  constructor(drafts: Drafts, seed?: number) {
    this.#drafts = drafts;
    this.#state = seed === undefined ? undefined : seed >>> 0;
  }

  /** How many tokens of a draft tree's best path are accepted. */
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

  /** Did a single guess come true? */
  guessed(): boolean {
    if (this.#state !== undefined) return this.#uniform() < this.#drafts.acceptance;
    this.#carriedGuesses += this.#drafts.acceptance;
    if (this.#carriedGuesses < 1 - 1e-9) return false;
    this.#carriedGuesses -= 1;
    return true;
  }

  /** mulberry32: 32 bits of state, uniform in [0, 1). */
  #uniform(): number {
    this.#state = (this.#state! + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
}
