/**
 * Follows a request from its arrival to its end, for metrics.
 *
 * @module
 */
import { hasCode, OrreryError } from "../../actors/mod.ts";
import type { GenerationEvent } from "../api/mod.ts";

/** What is told of requests; times are milliseconds. Its methods return at once. */
export interface RequestCounts {
  /** A request has a place, after it has waited. */
  queued(ms: number): void;
  /** A prompt of so many tokens was taken. */
  prompt(model: string, tokens: number): void;
  /** The first token came so long after the request. */
  firstToken(model: string, ms: number): void;
  /** Tokens came together; `gapMs`: since those before, undefined: they are the first. */
  tokens(model: string, count: number, gapMs?: number): void;
  /** The request is over. */
  answered(model: string, ended: {
    /** Its finish reason, or `cancelled`, `refused` (before it began) or `failed`. */
    outcome: string;
    ms: number;
    cachedTokens: number;
    drafted: number;
    accepted: number;
  }): void;
}

/** One request; see the module's text. */
export class RequestMeter {
  readonly #counts: RequestCounts | undefined;
  readonly #model: string;
  readonly #now: () => number;
  readonly #began: number;
  /** When tokens came last; undefined: none have. */
  #last?: number;
  #tokens = 0;
  #started = false;

  /** A request for this model has come. `now`: milliseconds, monotonic. */
  constructor(
    counts: RequestCounts | undefined,
    { model, now }: { model: string; now: () => number },
  ) {
    this.#counts = counts;
    this.#model = model;
    this.#now = now;
    this.#began = now();
  }

  /** It has a place, for which it has waited. */
  admitted(waitedMs: number): void {
    this.#counts?.queued(waitedMs);
  }

  /** Takes what it tells. */
  event(event: GenerationEvent): void {
    if (event.type === "started") {
      this.#started = true;
      this.#counts?.prompt(this.#model, event.promptTokens);
    } else if (event.type === "delta" || event.type === "reasoning") {
      this.#came(event.tokens.length);
    } else if (event.type === "done") this.#done(event);
  }

  /** Its inputs, of so many tokens together, became vectors. */
  embedded(tokens: number): void {
    this.#counts?.prompt(this.#model, tokens);
    this.#end("embedded");
  }

  /** It ended early. `gone`: its client does not wait any more. */
  failed(error: unknown, gone: boolean): void {
    const client = gone || hasCode(error, "client_closed");
    const refused = !this.#started || (error instanceof OrreryError && error.group === "api");
    this.#end(client ? "cancelled" : refused ? "refused" : "failed");
  }

  #came(count: number): void {
    if (count === 0) return;
    const now = this.#now();
    if (this.#last === undefined) this.#counts?.firstToken(this.#model, now - this.#began);
    const gap = this.#last === undefined ? undefined : now - this.#last;
    this.#counts?.tokens(this.#model, count, gap);
    this.#last = now;
    this.#tokens += count;
  }

  #done({ finishReason, usage, report }: GenerationEvent & { type: "done" }): void {
    // End tokens, and those of outlines and calls, come in no event.
    const untold = usage.completionTokens - this.#tokens;
    if (untold > 0) this.#counts?.tokens(this.#model, untold);
    const { drafted, accepted } = report;
    this.#end(finishReason, { cachedTokens: usage.cachedTokens ?? 0, drafted, accepted });
  }

  #end(outcome: string, used = { cachedTokens: 0, drafted: 0, accepted: 0 }): void {
    this.#counts?.answered(this.#model, { outcome, ms: this.#now() - this.#began, ...used });
  }
}
