/**
 * A lane: one chain of decoding, with the drafts that hang on its end.
 *
 *     ... o - o - tip          the last row whose token is certain; its result is the next token
 *                  |-- a       drafts: if the result is a's token, a's row need not run any more
 *                  '-- b - c
 *
 * The token that the target samples after a row is the truth, whatever the drafts say. Since a
 * sample depends on nothing but the rows before it, the seed and the position, what comes out is
 * what comes out without drafts, for greedy decoding and for seeded sampling alike (Leviathan et
 * al. 2023, Chen et al. 2023: the rejection rule for a draft that is certain of itself).
 *
 * @module
 */
import type { ResultsMessage } from "../arbiter/mod.ts";
import type { TextCodec } from "./messages.ts";

/** What the last stage chose after a row. */
export type RowResult = ResultsMessage["results"][number];

/** What is known of a drafted row when it is sent. */
export interface DraftFacts {
  /** 1 for the first token of the drafter's answer, 2 for the next ... */
  depth: number;
  /** Drafter's probability of this token after the ones before it. */
  chance: number;
  /** Chance that all of the way from the tip to here comes true, as measured. */
  reach: number;
  /** Who drafted it. */
  by: "model" | "ngram";
  /** False: an alternative beside the drafter's choice. */
  chosen: boolean;
}

/** A row whose token is wanted. */
export interface LaneRow {
  /** The generation's number for it. */
  row: number;
  token: number;
  position: number;
  children: LaneRow[];
  result?: RowResult;
  draft?: DraftFacts;
}

/** What came out of {@linkcode Lane.settle}. */
export interface Settled {
  /** Results that are the lane's next tokens, in order. */
  taken: { result: RowResult; eos: boolean }[];
  /** Text that became certain. */
  text: string;
  /** Rows of no use any more: each with its descendants. */
  dropped: LaneRow[];
  /** Drafts that came true. */
  accepted: number;
  /** What the truth said about the drafter's choices. */
  judged: { draft: DraftFacts; right: boolean }[];
}

/** Options of a {@linkcode Lane}. */
export interface LaneOptions {
  /** Names it: the drafter's chain. */
  name: string;
  /** All tokens before the first wanted one, and the numbers of their rows. */
  prompt: ArrayLike<number>;
  rows: ArrayLike<number>;
  /** The row after which the first token is wanted. */
  tip: LaneRow;
  /** Tokens at most. */
  limit: number;
  eos: readonly number[];
  codec: TextCodec;
}

/** See the module's text. */
export class Lane {
  readonly name: string;
  /** Every certain token: prompt and answer. */
  readonly tokens: number[];
  /** Numbers of the rows of `tokens`; the last token may have none yet. */
  readonly rows: number[];
  /** Tokens of `tokens` that are the prompt. */
  readonly promptTokens: number;
  readonly limit: number;
  /** The last row whose token is certain. */
  tip: LaneRow;
  /** The next token, when it has no row yet. */
  pending?: number;
  /** Why it is over; undefined: it goes on. */
  finish?: "stop" | "length";
  /** Text of the whole answer so far. */
  text = "";
  /** Tokens generated, the end token included. */
  generated = 0;
  readonly #eos: readonly number[];
  readonly #codec: TextCodec;

  constructor(options: LaneOptions) {
    this.name = options.name;
    this.tokens = Array.from(options.prompt);
    this.rows = Array.from(options.rows);
    this.promptTokens = this.tokens.length;
    this.tip = options.tip;
    this.limit = options.limit;
    this.#eos = options.eos;
    this.#codec = options.codec;
  }

  /** Tokens of the answer, without an end token. */
  get answer(): number[] {
    return this.tokens.slice(this.promptTokens);
  }

  /**
   * Tokens that may still be drafted after the certain ones: the row of the last token that counts
   * need not run.
   */
  get room(): number {
    return Math.max(0, this.limit - this.generated - 1);
  }

  /** The text of a token. */
  tokenText(token: number): string {
    return this.#codec.tokenText(token);
  }

  /** Goes on from the tip as far as results are there. */
  settle(): Settled {
    const settled: Settled = { taken: [], text: "", dropped: [], accepted: 0, judged: [] };
    while (!this.finish && this.pending === undefined && this.tip.result) {
      const { result, children } = this.tip;
      if (result.failed) break; // the owner looks at it
      const next = children.find(({ token }) => token === result.token);
      const chosen = children.find(({ draft }) => draft?.chosen)?.draft;
      if (chosen) settled.judged.push({ draft: chosen, right: next?.draft === chosen });
      settled.text += this.#take(result, settled);
      settled.dropped.push(...children.filter((child) => child !== next || this.finish));
      this.tip.children = [];
      if (this.finish) break;
      if (next) {
        settled.accepted++;
        this.decoded(next);
      } else {
        this.pending = result.token;
      }
    }
    this.text += settled.text;
    return settled;
  }

  /** The next token has a row: it is the tip. */
  decoded(row: LaneRow): void {
    this.pending = undefined;
    this.rows.push(row.row);
    this.tip = row;
  }

  /** The drafter's choices that hang on the tip, in order. */
  predicted(): LaneRow[] {
    const path: LaneRow[] = [];
    for (let at = this.tip;;) {
      const next = at.children.find(({ draft }) => draft?.chosen);
      if (!next) return path;
      path.push(at = next);
    }
  }

  #take(result: RowResult, settled: Settled): string {
    this.generated++;
    const eos = this.#eos.includes(result.token);
    settled.taken.push({ result, eos });
    if (eos) {
      this.finish = "stop";
      return this.#codec.flush();
    }
    this.tokens.push(result.token);
    const { text, stopped } = this.#codec.push(result.token);
    if (stopped) {
      this.finish = "stop";
      return text;
    }
    if (this.generated < this.limit) return text;
    this.finish = "length";
    return text + this.#codec.flush();
  }
}
