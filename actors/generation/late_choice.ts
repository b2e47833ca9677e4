/**
 * Whether a row of a constrained answer is sent before its mask is known.
 *
 * Sent before, the row does not wait for the walk's answer. But where that answer forces the next
 * tokens, they come one frame later than in a frame with the row. So it pays where
 *
 *     chance that tokens are forced * time of a frame < time of the walk's answer
 *
 * The chance is learned for each token: a quotation mark mostly ends a name, and letters hardly ever
 * end anything.
 *
 * @module
 */

/** Weight of the newest time in the running means, 0 to 1. */
const NEWEST = 0.1;
/** Tokens that are told apart; more are forgotten. */
const MOST_TOKENS = 4096;

/** How often tokens were forced. */
interface ForcedCount {
  seen: number;
  forced: number;
}

/** What a walk answered about a chain of rows. */
interface Answered {
  rows: readonly { token: number }[];
  steps: readonly unknown[];
  forced: readonly unknown[];
}

/** See the module's text. */
export class LateChoice {
  /** Running means, milliseconds; undefined: nothing was measured. */
  #frameMs?: number;
  #walkMs?: number;
  readonly #tokens = new Map<number, ForcedCount>();
  /** What followed tokens when they were seen first. */
  readonly #first: ForcedCount = { seen: 0, forced: 0 };

  /** A frame took so many milliseconds. */
  frame(ms: number): void {
    this.#frameMs = meanOf(this.#frameMs, ms);
  }

  /** The walk answered within so many milliseconds. */
  answered(chains: readonly Answered[], ms: number): void {
    this.#walkMs = meanOf(this.#walkMs, ms);
    for (const { rows, steps, forced } of chains) {
      const last = rows[steps.length - 1];
      if (!last) continue;
      const known = this.#tokens.get(last.token);
      const counted = known ?? { seen: 0, forced: 0 };
      for (const of of known ? [counted] : [counted, this.#first]) {
        of.seen++;
        if (forced.length > 0) of.forced++;
      }
      if (!known && this.#tokens.size >= MOST_TOKENS) this.#tokens.clear();
      this.#tokens.set(last.token, counted);
    }
  }

  /** Does it pay to send a row with this token before its mask? */
  pays(token: number): boolean {
    if (this.#frameMs === undefined || this.#walkMs === undefined) return false;
    const { seen, forced } = this.#tokens.get(token) ?? { seen: 0, forced: 0 };
    const usual = (this.#first.forced + 1) / (this.#first.seen + 2);
    const chance = (forced + usual) / (seen + 1);
    return chance * this.#frameMs < this.#walkMs;
  }
}

const meanOf = (mean: number | undefined, ms: number): number =>
  mean === undefined ? ms : mean + NEWEST * (ms - mean);
