/**
 * Drafts from a text that the answer is expected to follow, by keeping the place in it.
 *
 * Prompt lookup ({@linkcode NgramDrafter}) finds its place anew by the last few tokens, so after
 * each wrong token it has nothing to say until some tokens agree again. Here a wrong token is taken
 * for one that replaces the expected one, or that jumps over a few, and the draft goes on behind
 * it. Only after several wrong tokens the place is searched.
 *
 * @module
 */

/** Tokens of the expected text that may be left out at once. */
const MOST_SKIPPED = 4;
/** Where two tokens in a row were wrong, one that agrees is looked for so many tokens around. */
const NEAR = 8;
/** Wrong tokens in a row after which nothing is drafted until two tokens in a row are found. */
const LOST = 6;
/** Right tokens since the last wrong one that are told apart: 0 .. RUNS - 1, and more. */
const RUNS = 6;
/** Guesses that a rate counts before its counts are halved, so that earlier ones lose weight. */
const MEMORY = 64;
/** How many guesses a rate's prior estimate counts as. */
const PRIOR_WEIGHT = 4;
/** Prior share of tokens that come true right after a wrong one, 0 to 1. */
const PRIOR_LEAST = 0.6;
/** Prior share of tokens that come true after many right ones, 0 to 1. */
const PRIOR_MOST = 0.9;

/** See the module's text. */
export class PredictionDrafter {
  readonly #text: Int32Array;
  /** Index in the text of the token that is expected next. */
  #at = 0;
  /** Right tokens since the last wrong one. */
  #run = RUNS;
  /** Wrong tokens since the last right one. */
  #wrong = 0;
  /** The newest token and the one before it; -1: none. */
  #newest = [-1, -1];
  /** By right tokens since the last wrong one: how many guesses came true. */
  readonly #hits = new Float64Array(RUNS + 1);
  /** By right tokens since the last wrong one: how many guesses there were. */
  readonly #tries = new Float64Array(RUNS + 1);

  /** `text`: token ids that the answer is expected to be, from its first token on. */
  constructor(text: Int32Array) {
    this.#text = text;
  }

  /** Takes in the answer's next token id. */
  push(token: number): void {
    this.#newest = [token, this.#newest[0]];
    const right = this.#text[this.#at] === token;
    if (this.#at < this.#text.length && this.#wrong < LOST) this.#count(right);
    if (right) {
      this.#at++;
      this.#run++;
      this.#wrong = 0;
      return;
    }
    this.#run = 0;
    this.#wrong++;
    this.#at = this.#place(token);
  }

  /**
   * At most `length` token ids that may follow. `chances` are 0 to 1: that of each token, given
   * that the ones before it are right. (tokens)
   */
  draft(length: number): { tokens: number[]; chances: number[] } {
    const end = this.#wrong >= LOST ? this.#at : this.#at + length;
    const tokens = Array.from(this.#text.subarray(this.#at, end));
    return { tokens, chances: tokens.map((_, i) => this.#rate(this.#run + i)) };
  }

  /** Where the text may go on after a wrong token. */
  #place(token: number): number {
    const text = this.#text;
    if (this.#wrong === 1) {
      // The text's next tokens are missing in the answer, or else the token stands for one.
      const skipped = text.subarray(this.#at + 1, this.#at + 1 + MOST_SKIPPED).indexOf(token);
      return this.#at + (skipped < 0 ? 1 : skipped + 2);
    }
    for (let far = 0; far <= NEAR; far++) {
      if (text[this.#at - far - 1] === token) return this.#at - far;
      if (text[this.#at + far] === token) return this.#at + far + 1;
    }
    // Two tokens in a row, at the place that is nearest.
    let best = -1;
    for (let at = text.indexOf(token, 1); at >= 0; at = text.indexOf(token, at + 1)) {
      if (text[at - 1] !== this.#newest[1]) continue;
      if (best < 0 || Math.abs(at - this.#at) < Math.abs(best - this.#at)) best = at;
    }
    if (best >= 0) this.#wrong = 1;
    return best >= 0 ? best + 1 : Math.min(this.#at + 1, text.length);
  }

  #count(right: boolean): void {
    const i = Math.min(this.#run, RUNS);
    this.#hits[i] += right ? 1 : 0;
    this.#tries[i]++;
    if (this.#tries[i] < MEMORY) return;
    this.#hits[i] /= 2;
    this.#tries[i] /= 2;
  }

  /** Share of guesses that came true so many right tokens after the last wrong one, 0 to 1. */
  #rate(run: number): number {
    const i = Math.min(run, RUNS);
    const prior = PRIOR_LEAST + (PRIOR_MOST - PRIOR_LEAST) * i / RUNS;
    return (this.#hits[i] + PRIOR_WEIGHT * prior) / (this.#tries[i] + PRIOR_WEIGHT);
  }
}
