/**
 * How an answer was made and how long it took: the `orrery` field of a response.
 *
 * @module
 */
import type { RequestUsage } from "../arbiter/mod.ts";
import type { AnswerReport } from "./client_messages.ts";
import type { Start } from "./messages.ts";
import { type ModeChoice, type ModeFacts, reportMode } from "./mode.ts";
import type { RouteChoice } from "./route.ts";

/** When an answer's tokens and texts came. Times are milliseconds of one monotonic clock. */
export class AnswerClock {
  /** When the request began. */
  readonly #began: number;
  #firstTokenAt?: number;
  #firstTextAt?: number;
  #lastTokenAt: number;
  /** Tokens of an earlier run of the request. */
  before = 0;
  /** Tokens generated so far: those of an outline and end tokens are counted. */
  tokens = 0;
  /** How often a lane got tokens: drafts that come true bring several at once. */
  turns = 0;

  /**
   * @param began When the request began.
   * @param firstTextAt When the client was given something first; undefined: it was not yet.
   */
  constructor(began: number, firstTextAt?: number) {
    this.#began = this.#lastTokenAt = began;
    this.#firstTextAt = firstTextAt;
  }

  /** When the client was given something first; undefined: it was not yet. */
  get firstTextAt(): number | undefined {
    return this.#firstTextAt;
  }

  /** Adds tokens that an earlier run of the request has generated: how long they took is not known. */
  resumed(tokens: number): void {
    this.before += tokens;
    this.tokens += tokens;
  }

  /** Adds tokens that were generated at `at`. */
  generated(tokens: number, at: number): void {
    if (tokens === 0) return;
    this.#lastTokenAt = at;
    this.#firstTokenAt ??= at;
    this.tokens += tokens;
    this.turns++;
  }

  /** The client was given something at `at`. */
  shown(at: number): void {
    this.#firstTextAt ??= at;
  }

  /** Milliseconds from the request's beginning to the first token that the client sees. */
  get ttftMs(): number {
    return (this.#firstTextAt ?? this.#lastTokenAt) - this.#began;
  }

  /** Mean milliseconds per token after this run's first one; 0 with fewer than two tokens. */
  get tpotMs(): number {
    const own = this.tokens - this.before;
    if (own < 2) return 0;
    return (this.#lastTokenAt - this.#firstTokenAt!) / (own - 1);
  }
}

/** What {@linkcode reportOf} is made from. */
export interface AnswerFacts {
  start: Start;
  choice: ModeChoice;
  clock: AnswerClock;
  /** The outline, if one was tried. */
  outline?: ModeFacts["outline"];
  /** What speculation came to; undefined: nothing was to be drafted. */
  speculation?: ModeFacts["speculation"];
  /** Which stages computed the answer. */
  route: RouteChoice;
  /** How often the request has stood still. @default never */
  pauses?: { readonly pauses: number; readonly pausedMs: number };
  /** Rows of the prompt that the request was opened with. */
  openedRows: number;
  /** What the arbiter counted; undefined: it did not say. */
  usage?: RequestUsage;
}

/** See the module's text. */
export function reportOf(facts: AnswerFacts): AnswerReport {
  const { start, choice, clock, outline, speculation, openedRows, usage } = facts;
  const { drafted, accepted } = speculation ?? { drafted: 0, accepted: 0 };
  const { mode, why } = reportMode(choice, {
    asked: start.mode,
    by: start.mode_by,
    outline,
    speculation,
    generated: clock.tokens,
  });
  return {
    mode,
    route: facts.route.route,
    why: [why, facts.route.why].filter((part) => part !== "").join("; "),
    nodes: start.nodes,
    stages: start.stages,
    ttft_ms: clock.ttftMs,
    tokens_per_s: clock.tpotMs > 0 ? 1000 / clock.tpotMs : 0,
    pieces: usage?.pieces ?? null,
    drafted,
    accepted,
    branches: outline?.branches ?? 0,
    bubble_share: usage?.bubble_share ?? null,
    // Rows of a finished branch are dropped too, but they were of use: only drafts are wasted.
    wasted_row_share: usage
      ? Math.min(usage.wasted_rows, drafted - accepted) / Math.max(1, usage.rows)
      : null,
    bytes_per_token_per_hop: usage
      ? usage.bytes_per_row_per_hop * usage.rows /
        Math.max(1, openedRows + clock.tokens - clock.before)
      : null,
    ...(facts.pauses?.pauses && {
      pauses: facts.pauses.pauses,
      paused_ms: facts.pauses.pausedMs,
    }),
  };
}
