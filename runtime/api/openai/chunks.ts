/**
 * Streams of chat and completions: chunks with one choice each, then one with the usage if that was
 * asked for, then `[DONE]`.
 *
 * @module
 */
import type { AnswerTotals, ChoiceEvent, StreamWriter } from "../dialect.ts";
import type { HttpError } from "../errors.ts";
import { SSE_COMMENT, sseEvent } from "../sse.ts";
import { type AnswerHead, usageOf } from "./usage.ts";

/** How an endpoint words a stream. */
export interface ChunkInit {
  /** What every chunk begins with. */
  head: AnswerHead;
  /** Number of choices. */
  choices: number;
  /** End with a chunk that has the usage? */
  includeUsage: boolean;
  /** The entries of `choices` for an event, one a chunk. */
  entries(step: ChoiceEvent): unknown[];
}

/** Words such a stream. The report of the first choice comes once, as `orrery` of the last chunk. */
export class ChunkWriter implements StreamWriter {
  readonly #init: ChunkInit;
  /** Choices that have not ended. */
  #open: number;
  /** The last entry of the last choice, held back until the report can go with it. */
  #final: unknown;

  constructor(init: ChunkInit) {
    this.#init = init;
    this.#open = init.choices;
  }

  event(step: ChoiceEvent): string {
    const entries = this.#init.entries(step);
    if (step.event.type !== "done" || --this.#open > 0) {
      return entries.map((entry) => sseEvent(this.#chunk(entry))).join("");
    }
    this.#final = entries.pop();
    return entries.map((entry) => sseEvent(this.#chunk(entry))).join("");
  }

  quiet(): string {
    return SSE_COMMENT;
  }

  end(totals: AnswerTotals): string {
    const { head, includeUsage } = this.#init;
    const orrery = totals.report;
    const final = this.#final === undefined
      ? ""
      : sseEvent({ ...this.#chunk(this.#final), ...(!includeUsage && { orrery }) });
    const usage = includeUsage
      ? sseEvent({ ...head, choices: [], usage: usageOf(totals), orrery })
      : "";
    return final + usage + sseEvent("[DONE]");
  }

  fail({ body }: HttpError): string {
    return sseEvent(body);
  }

  #chunk(entry: unknown) {
    const { head, includeUsage } = this.#init;
    return { ...head, choices: [entry], ...(includeUsage && { usage: null }) };
  }
}
