/**
 * A lane: one chain of decoding, with the drafts that hang on its end.
 *
 *     ... o - o - tip          the last row whose token is certain; its result is the next token
 *                  |-- a       drafts: if the result is a's token, a's row need not run any more
 *                  '-- b - c
 *
 * The token that the target model samples after a row is the truth, whatever the drafts say. A
 * sample depends on nothing but the rows before it, the seed and the position. So the tokens are
 * the same with and without drafts, for greedy decoding and for seeded sampling alike (Leviathan et
 * al. 2023, Chen et al. 2023: the rejection rule for a draft that is certain of itself).
 *
 * @module
 */
import type { ResultsMessage } from "../arbiter/mod.ts";
import type { SpelledToken } from "./client_messages.ts";
import type { TextCodec } from "./messages.ts";

/** What the last stage chose after a row. */
export type RowResult = ResultsMessage["results"][number];

/** What is known of a drafted row when it is sent. */
export interface DraftFacts {
  /** Place of the token in the drafter's answer: 1 for the first, 2 for the next ... */
  depth: number;
  /** The drafter's probability of this token given the ones before it, 0 to 1. */
  chance: number;
  /** Estimated chance that this row and all rows between it and the tip come true, 0 to 1. */
  reach: number;
  /** Most rows of its frame where no other lane runs. */
  frame: number;
  /** Which drafter guessed the token, or that a grammar forces it. */
  by: "model" | "ngram" | "grammar";
  /** True: the drafter's first choice; false: an alternative beside it. */
  chosen: boolean;
}

/** A row whose next token is wanted. */
export interface LaneRow {
  /** Number that the Generation gave the row. */
  row: number;
  /** Token id that the row runs. */
  token: number;
  /** RoPE position of the token. */
  position: number;
  /** Drafted rows that hang on this one. */
  children: LaneRow[];
  /**
   * Where the answer is held to a grammar: the row that it hangs on; undefined for the prompt's last
   * row, which all others of the answer come from.
   */
  parent?: LaneRow;
  /** What the last stage chose after the row; undefined: no answer has come yet. */
  result?: RowResult;
  /** undefined: the row's token was certain when the row was sent. */
  draft?: DraftFacts;
}

/** What came out of {@linkcode Lane.settle}. */
export interface Settled {
  /** Results that are the lane's next tokens, in order; `eos`: the token ends the lane. */
  taken: { result: RowResult; eos: boolean }[];
  /** Text that became certain. */
  text: string;
  /** Drafted rows that did not come true: each stands for all of its descendants too. */
  dropped: LaneRow[];
  /** Number of drafts that came true. */
  accepted: number;
  /** How many of these a grammar had forced. */
  forced: number;
  /** Whether the drafter's first choices were right, in order. */
  judged: { draft: DraftFacts; right: boolean }[];
}

/** What came out of {@linkcode Lane.replay}. */
export interface Replayed {
  /** Of the tokens that the client was told. */
  told: Settled;
  /** Of the others. */
  rest: Settled;
}

/** Options of a {@linkcode Lane}. */
export interface LaneOptions {
  /** Name of the lane; names its chain at the drafter too. */
  name: string;
  /** Token ids of everything before the first wanted token. */
  prompt: ArrayLike<number>;
  /** Most tokens that the lane may generate. */
  limit: number;
  /** Token ids that end the lane. */
  eos: readonly number[];
  codec: TextCodec;
}

/** See the module's text. */
export class Lane {
  readonly name: string;
  /** Every certain token id: prompt and answer. */
  readonly tokens: number[];
  /**
   * Row numbers of `tokens`; one fewer while the last token has no row yet, none before the lane is
   * placed.
   */
  readonly rows: number[] = [];
  /** How many of `tokens` are the prompt. */
  readonly promptTokens: number;
  /** Most tokens that the lane may generate. */
  readonly limit: number;
  /** The last row whose token is certain; before the lane is placed, one that is never run. */
  tip: LaneRow;
  /** The next token id while it has no row yet; undefined: it has one, or is not known. */
  pending?: number;
  /** `stop`: by an end token or a stop text; `length`: at its limit; undefined: it goes on. */
  finish?: "stop" | "length";
  /** Text of the whole answer so far. */
  text = "";
  /** Tokens generated, the end token included. */
  generated = 0;
  /** The end token; undefined: none has come. */
  #end?: number;
  readonly #eos: readonly number[];
  readonly #codec: TextCodec;

  /** A lane without rows: it has to be placed. */
  constructor(options: LaneOptions) {
    this.name = options.name;
    this.tokens = Array.from(options.prompt);
    this.promptTokens = this.tokens.length;
    this.tip = { row: -1, token: -1, position: -1, children: [] };
    this.limit = options.limit;
    this.#eos = options.eos;
    this.#codec = options.codec;
  }

  /** Token ids of the answer, without an end token. */
  get answer(): number[] {
    return this.tokens.slice(this.promptTokens);
  }

  /** Ids of the generated tokens from the one with this index on, an end token included. */
  generatedFrom(index: number): number[] {
    const tokens = this.tokens.slice(this.promptTokens + index);
    return this.#end === undefined || index >= this.generated ? tokens : [...tokens, this.#end];
  }

  /**
   * Takes tokens that an earlier run of the request has generated, of which the client was told the
   * first `told`. What would follow the lane's end is left out. To be called before the lane is placed.
   */
  replay(tokens: readonly number[], told: number): Replayed {
    const parts = { told: nothing(), rest: nothing() };
    for (const [i, token] of tokens.entries()) {
      if (this.finish) break;
      const part = i < told ? parts.told : parts.rest;
      part.text += this.#take({ row: -1, token }, part);
    }
    this.text = parts.told.text + parts.rest.text;
    return parts;
  }

  /**
   * The lane gets rows: `rows` are the numbers of those of all its tokens, and its next token is
   * wanted after `tip`, the last of them.
   */
  place(rows: readonly number[], tip: LaneRow): void {
    for (const row of rows) this.rows.push(row);
    this.tip = tip;
  }

  /**
   * Most tokens that a draft after the certain ones may have. It is one fewer than the tokens that
   * the lane may still generate: nothing is wanted after the last of those.
   */
  get room(): number {
    return Math.max(0, this.limit - this.generated - 1);
  }

  /** The taken tokens as the client gets them; an end token is left out. */
  spell({ taken }: Pick<Settled, "taken">): SpelledToken[] {
    const text = (token: number) => this.#codec.tokenText(token);
    return taken.filter(({ eos }) => !eos).map(({ result: { token, logprob, top } }) => ({
      token,
      text: text(token),
      ...(logprob !== undefined && { logprob }),
      ...(top && { top, topText: top.map(([id]) => text(id)) }),
    }));
  }

  /** Takes the tip's result, and the next tip's, as far as results have come. */
  settle(): Settled {
    const settled = nothing();
    while (!this.finish && this.pending === undefined && this.tip.result) {
      const { result, children } = this.tip;
      if (result.failed) break; // the run sees it in the tip's result and fails the request
      const next = children.find(({ token }) => token === result.token);
      const chosen = children.find(({ draft }) => draft?.chosen)?.draft;
      if (chosen) settled.judged.push({ draft: chosen, right: next?.draft === chosen });
      settled.text += this.#take(result, settled);
      settled.dropped.push(...children.filter((child) => child !== next || this.finish));
      this.tip.children = [];
      if (this.finish) break;
      if (next) {
        settled.accepted++;
        if (next.draft?.by === "grammar") settled.forced++;
        this.decoded(next);
      } else {
        this.pending = result.token;
      }
    }
    this.text += settled.text;
    return settled;
  }

  /** The next token has got this row, which is the tip from now on. */
  decoded(row: LaneRow): void {
    this.pending = undefined;
    this.rows.push(row.row);
    this.tip = row;
  }

  /** Adds a result's token to the answer. Returns the text that it makes certain. */
  #take(result: RowResult, settled: Settled): string {
    this.generated++;
    const eos = this.#eos.includes(result.token);
    settled.taken.push({ result, eos });
    if (eos) {
      this.#end = result.token;
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

const nothing = (): Settled => ({
  taken: [],
  text: "",
  dropped: [],
  accepted: 0,
  forced: 0,
  judged: [],
});
