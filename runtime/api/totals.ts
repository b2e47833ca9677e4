/**
 * Counts of an answer, summed from its events.
 *
 * @module
 */
import type { AnswerTotals, ApiChoice, ChoiceEvent } from "./dialect.ts";

/** Sums what the choices of a task tell. */
export class Tally {
  readonly totals: AnswerTotals = {
    promptTokens: 0,
    completionTokens: 0,
    ttftMs: 0,
    tpotMs: 0,
    reasoningTokens: 0,
  };
  readonly #choices: readonly ApiChoice[];
  /** Indices of the prompts whose tokens are in `totals` already. */
  readonly #counted = new Set<number>();

  constructor(choices: readonly ApiChoice[]) {
    this.#choices = choices;
  }

  /** Takes an event into the totals. */
  add({ index, event }: ChoiceEvent): void {
    const { totals } = this;
    if (event.type === "reasoning") totals.reasoningTokens += event.tokens.length;
    if (event.type !== "done") return;
    const { prompt, request } = this.#choices[index];
    if (!this.#counted.has(prompt)) {
      const { promptTokens, cachedTokens = 0 } = event.usage;
      totals.promptTokens += promptTokens;
      if (cachedTokens > 0) totals.cachedTokens = (totals.cachedTokens ?? 0) + cachedTokens;
    }
    this.#counted.add(prompt);
    totals.completionTokens += event.usage.completionTokens;
    const { report } = event;
    if (request.prediction !== undefined) {
      const { drafted = 0, accepted = 0 } = totals.predicted ?? {};
      totals.predicted = {
        drafted: drafted + report.drafted,
        accepted: accepted + report.accepted,
      };
    }
    if (index > 0) return;
    Object.assign(totals, event.timings, { report });
  }
}
