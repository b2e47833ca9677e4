/**
 * The log-probabilities of a prompt's tokens, as the results of its rows come.
 *
 * @module
 */
import type { PromptScoresMessage, SpelledToken } from "./client_messages.ts";
import type { RowResult } from "./lane.ts";
import type { TextCodec } from "./messages.ts";

/** See the module's text. */
export class PromptScores {
  readonly #prompt: Int32Array;
  /** Best tokens that are told at each place. */
  readonly #top: number;
  /** By row: what is known of the token that follows it. */
  readonly #results: (RowResult | undefined)[];
  #missing: number;

  /** Nothing is known of the prompt's tokens yet; `top`: how many of the best are told beside each. */
  constructor(prompt: Int32Array, { top }: { top: number }) {
    this.#prompt = prompt;
    this.#top = top;
    this.#missing = prompt.length - 1;
    this.#results = new Array(this.#missing).fill(undefined);
  }

  /** Every token but the first has its log-probability. */
  get complete(): boolean {
    return this.#missing === 0;
  }

  /** Takes in the results of the prompt's rows, and ignores others. Returns one that failed, if any. */
  take(results: readonly RowResult[]): RowResult["failed"] {
    for (const result of results) {
      const { row, failed } = result;
      if (row >= this.#results.length) continue;
      if (failed) return failed;
      if (this.#results[row] === undefined) this.#missing--;
      this.#results[row] = result;
    }
    return undefined;
  }

  /** What the client is told once they are complete. */
  message({ tokenText }: Pick<TextCodec, "tokenText">): PromptScoresMessage {
    const tokens = Array.from(this.#prompt, (token, i): SpelledToken => {
      const spelled = { token, text: tokenText(token) };
      const { logprob, top = [] } = this.#results[i - 1] ?? {};
      if (logprob === undefined) return spelled;
      const best = top.slice(0, this.#top);
      return { ...spelled, logprob, top: best, topText: best.map(([id]) => tokenText(id)) };
    });
    return { tokens };
  }
}
