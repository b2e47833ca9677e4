/**
 * What a node learns from the requests of a deployment, for the next requests of it.
 *
 * @module
 */
import type { Done, Start } from "../../actors/mod.ts";

/** Weight of the newest answer in the running mean of answer lengths, 0 to 1. */
const NEWEST_WEIGHT = 0.1;

/**
 * Acceptance and costs of drafting, and the usual length of an answer. Each deployment needs an
 * experience of its own: another placement has other costs.
 */
export class Experience {
  #measured?: Record<string, number[]>;
  /** Mean tokens of an answer that was no outline; undefined: there was none yet. */
  #answerTokens?: number;

  /** The fields of a generation's start that come from earlier requests. */
  get known(): Pick<Start, "measured" | "answer_tokens"> {
    return { measured: this.#measured, answer_tokens: this.#answerTokens };
  }

  /** Takes in a finished request. */
  learn({ orrery, completion_tokens, measured }: Done): void {
    this.#measured = { ...this.#measured, ...measured };
    if (orrery.mode.startsWith("outline")) return;
    const mean = this.#answerTokens ?? completion_tokens;
    this.#answerTokens = mean + NEWEST_WEIGHT * (completion_tokens - mean);
  }
}
