/**
 * An answer by its outline: the points first, then a lane a point, all on the rows of the
 * conversation so far.
 *
 *     prompt - outline ---- trunk -+- "expand point 1" - text of point 1
 *                                  |- "expand point 2" - text of point 2
 *                                  '- ...
 *
 * An outline that cannot be read, or has one point, is given up: the question is answered plainly,
 * and the response says so. Points that the client gives are the outline: then the first branch's
 * prompt is what is opened, and nothing is given up.
 *
 * @module
 */
import { OrreryError } from "../system/mod.ts";
import type { OutlineAnswer, OutlineText } from "../outline/mod.ts";
import type { Lane, Settled } from "./lane.ts";
import { MOST_CONTEXTS, type SpelledToken, type Start } from "./messages.ts";
import { OrderedText } from "./ordered_text.ts";
import type { GenerationRun, TokenChain } from "./run.ts";

/** Longest outline in tokens. */
const OUTLINE_TOKENS = 256;
/** Fewest tokens that a point must have to be worth a branch. */
const POINT_TOKENS = 4;
/** Most points that a parsed outline has. */
const MOST_POINTS = 30;
/** A point that is longer than most, to count rows before the outline is there. */
const LONG_POINT = "a rather long title of one point";

/** What an outline needs of its run. */
export type OutlineHost =
  & Pick<
    GenerationRun,
    "addLane" | "addPrompt" | "drop" | "emit" | "end" | "openLane" | "plainAfter" | "spell"
  >
  & {
    readonly start: Start;
  };

/** See the module's text. */
export class OutlineRun {
  /** Token ids of what is opened: the request for the outline, or the first branch's prompt. */
  readonly prompt: Int32Array<ArrayBuffer>;
  /** Rows to count on beyond the prompt and the tokens that are generated. */
  readonly extraRows: number;
  /** Points that were expanded. */
  branches = 0;
  /** Why the question was answered plainly after all. */
  fallback?: string;
  readonly #host: OutlineHost;
  readonly #words: OutlineText;
  readonly #given: boolean;
  /** Tokens of outline and branches together. */
  readonly #total: number;
  /** Tokens that the outline may have. */
  readonly #outlineLimit: number;
  /** Branches at once. */
  #most: number;
  #points: readonly string[] = [];
  #text?: OrderedText;
  #trunk: TokenChain = { tokens: [], rows: [] };
  #prompts: Int32Array<ArrayBuffer>[] = [];
  #limit = 0;
  #next = 0;
  #over = 0;
  #cut = false;

  /**
   * `words` are the question's outline texts. Throws `invalid_value` (group `api`) where given
   * points cannot be expanded.
   */
  constructor(host: OutlineHost, words: OutlineText) {
    const { max_branches, shape, points, prompt } = host.start;
    const mostTokens = host.start.outline_tokens ?? host.start.max_tokens;
    this.#host = host;
    this.#total = mostTokens;
    this.#words = words;
    this.#most = max_branches ?? shape.max_branches;
    this.#given = points !== undefined;
    this.#outlineLimit = Math.min(OUTLINE_TOKENS, Math.max(1, Math.floor(mostTokens / 2)));
    const most = Math.min(
      this.#most,
      MOST_POINTS,
      Math.max(1, Math.floor(mostTokens / (2 * POINT_TOKENS))),
    );
    if (!points) {
      this.prompt = words.outlinePrompt();
      const sample = words.write([LONG_POINT, LONG_POINT]);
      const prompts = [0, 1].map((k) => words.branchPrompt(sample, k));
      const common = commonPrefix(prompts).length;
      const own = Math.max(...prompts.map((p) => p.length)) - common;
      const before = Math.max(0, common - this.prompt.length - sample.tokens.length);
      this.extraRows = Math.max(before + most * own, prompt.length - shared(prompt, this.prompt));
      return;
    }
    const why = this.#plan(words.write(points), mostTokens);
    if (why !== undefined) {
      throw new OrreryError({
        group: "api",
        code: "invalid_value",
        message: `orrery.points: ${why}`,
        metadata: { param: "orrery.points" },
      });
    }
    this.prompt = this.#prompts[0];
    this.extraRows = this.#most *
      Math.max(...this.#prompts.map((p) => p.length - this.#trunk.tokens.length));
  }

  /** The first lane. */
  begin(): void {
    if (this.#given) return this.#branchOut(Array.from(this.#trunk.tokens, (_, i) => i));
    this.#host.openLane({ name: "outline", limit: this.#outlineLimit, stop: [], owner: this });
  }

  /** The outline's own lane. */
  settled(lane: Lane, _settled: Settled): void {
    if (!lane.finish) return;
    const why = lane.finish === "length"
      ? `it did not end within ${this.#outlineLimit} tokens`
      : this.#read(lane);
    const { start } = this.#host;
    if (why === undefined) {
      const { tokens } = this.#trunk;
      this.#free(lane, tokens, tokens.length);
      return this.#branchOut(this.#host.addPrompt(tokens, lane));
    }
    this.fallback = why;
    this.#free(lane, start.prompt, start.prompt.length - 1);
    this.#host.plainAfter(lane, Math.max(1, start.max_tokens - lane.generated));
  }

  /** Reads a generated outline; says why it is of no use, if so. */
  #read(lane: Lane): string | undefined {
    const parsed = this.#words.parse(lane.text);
    if ("malformed" in parsed) return parsed.malformed;
    const { points } = parsed;
    if (points.length < 2) return `it has ${points.length} point`;
    const left = this.#total - lane.generated;
    return this.#plan({ tokens: lane.answer, text: lane.text, points }, left);
  }

  /**
   * The branches' prompts and how much each may say, of `left` tokens in all; says why not, if so.
   */
  #plan(outline: OutlineAnswer, left: number): string | undefined {
    const { points } = outline;
    const { context } = this.#host.start;
    this.#limit = Math.floor(left / points.length);
    if (this.#limit < POINT_TOKENS) return `${left} tokens are too few for ${points.length} points`;
    this.#points = points;
    this.#prompts = points.map((_, k) => this.#words.branchPrompt(outline, k));
    const [first] = this.prompt ?? this.#prompts[0];
    if (this.#prompts.some((prompt) => prompt[0] !== first)) {
      return "its points' prompts do not begin as the outline's does";
    }
    const longest = Math.max(...this.#prompts.map((p) => p.length));
    if (longest + this.#limit > context) {
      return `a point's ${longest} tokens and ${this.#limit} more do not fit the context of ${context}`;
    }
    const trunk = commonPrefix(this.#prompts);
    this.#trunk = { tokens: Array.from(trunk), rows: [] };
    const fit = Math.floor(
      (MOST_CONTEXTS * context - trunk.length) / (longest - trunk.length + this.#limit),
    );
    this.#most = Math.max(1, Math.min(this.#most, points.length, fit));
    return undefined;
  }

  /** Begins the first branches; `rows` are the trunk's. */
  #branchOut(rows: number[]): void {
    const points = this.#points;
    const { start } = this.#host;
    this.#trunk = { ...this.#trunk, rows };
    this.branches = points.length;
    this.#text = new OrderedText({
      headings: points.map((_, k) => this.#words.heading(points, k)),
      live: start.live_branches,
      emit: (delta) => this.#host.emit(delta),
    });
    for (let k = 0; k < this.#most; k++) this.#begin();
  }

  #begin(): void {
    const k = this.#next++;
    const lane = {
      name: `branch-${k}`,
      limit: this.#limit,
      stop: [],
      owner: { settled: (lane: Lane, settled: Settled) => this.#branch(k, lane, settled) },
    };
    if (this.#given && k === 0) this.#host.openLane(lane);
    else this.#host.addLane({ ...lane, prompt: this.#prompts[k], shared: this.#trunk });
  }

  #branch(k: number, lane: Lane, settled: Settled): void {
    const tokens: SpelledToken[] = this.#host.spell(lane, settled);
    this.#text!.push(k, settled.text, tokens);
    if (!lane.finish) return;
    this.#text!.close(k);
    this.#cut ||= lane.finish === "length";
    this.#host.drop(lane.rows[this.#trunk.rows.length]); // its prompt's first own row, and all that hangs on it
    this.#over++;
    if (this.#next < this.branches) this.#begin();
    if (this.#over === this.branches) this.#host.end(this.#cut ? "length" : "stop");
  }

  /** Rows of the outline that what comes next does not begin with are of no use any more. */
  #free({ tokens, rows }: TokenChain, prompt: ArrayLike<number>, most: number): void {
    const same = Math.min(shared(tokens, prompt), most, rows.length);
    if (same < rows.length) this.#host.drop(rows[same]);
  }
}

/** Tokens that both begin with. */
function shared(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let same = 0;
  while (same < Math.min(a.length, b.length) && a[same] === b[same]) same++;
  return same;
}

/** What all begin with; each has at least one token more. */
function commonPrefix([first, ...others]: Int32Array[]): Int32Array {
  const most = Math.min(first.length, ...others.map((o) => o.length)) - 1;
  return first.subarray(0, Math.min(most, ...others.map((other) => shared(first, other))));
}
