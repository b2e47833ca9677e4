/**
 * An answer by its outline: the points first, then a lane a point, all on the rows of the
 * conversation so far.
 *
 *     prompt - outline ---- trunk -+- "expand point 1" - text of point 1
 *                                  |- "expand point 2" - text of point 2
 *                                  '- ...
 *
 * An outline that cannot be read, or that has one point, is given up: the question is answered
 * plainly, and the response says so. Where the client gives the points, no outline is generated:
 * the request is opened with the prompt of the first point, and there is nothing to give up.
 *
 * @module
 */
import { OrreryError } from "../system/mod.ts";
import type { OutlineAnswer, OutlineText } from "../outline/mod.ts";
import type { Lane, Settled } from "./lane.ts";
import type { LaneControl, TokenChain } from "./lane_control.ts";
import { MOST_CONTEXTS } from "./messages.ts";
import { OrderedText } from "./ordered_text.ts";

/** Most tokens that an outline may have. */
const OUTLINE_TOKENS = 256;
/** Tokens that each point must be allowed at least, or it is not worth a branch. */
const POINT_TOKENS = 4;
/** Most points of an outline. */
const MOST_POINTS = 30;
/**
 * A point that is longer than most: rows of branches are counted with it before the real points are
 * known.
 */
const LONG_POINT = "a rather long title of one point";

/** See the module's text. */
export class OutlineRun {
  /**
   * Token ids that the request is opened with: the prompt that asks for an outline or, where the
   * client gives the points, the prompt of the first one.
   */
  readonly prompt: Int32Array<ArrayBuffer>;
  /** Rows that the request may need beyond `prompt` and the tokens that it generates. */
  readonly extraRows: number;
  /** Points that became branches; 0: none did, or not yet. */
  branches = 0;
  /** Why the outline was given up and the question answered plainly; undefined: it was not. */
  fallback?: string;
  readonly #run: LaneControl;
  readonly #words: OutlineText;
  /** The client gave the points. */
  readonly #given: boolean;
  /** Most tokens of outline and branches together. */
  readonly #total: number;
  /** Most tokens of the outline. */
  readonly #outlineLimit: number;
  /** Most branches that run at once. */
  #most: number;
  #points: readonly string[] = [];
  /** The branches' texts as the client gets them; undefined: no branch has begun. */
  #text?: OrderedText;
  /** What the prompts of all branches begin with. */
  #trunk: TokenChain = { tokens: [], rows: [] };
  /** Token ids of each branch's prompt, by point. */
  #prompts: Int32Array<ArrayBuffer>[] = [];
  /** Most tokens that each branch may generate. */
  #limit = 0;
  /** Point of the next branch, 0-based. */
  #next = 0;
  /** Branches that have ended. */
  #ended = 0;
  /** A branch ended at its limit. */
  #cut = false;

  /**
   * `words` are the prompts of the question's outline. Throws group `api`, code `invalid_value`
   * where the points that the client gives cannot be expanded.
   */
  constructor(run: LaneControl, words: OutlineText) {
    const { max_branches, shape, points, prompt } = run.start;
    const mostTokens = run.start.outline_tokens ?? run.start.max_tokens;
    this.#run = run;
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
      // Two points are enough to see which rows of their prompts are shared and which are a
      // branch's own.
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

  /** Begins the lane of the outline, or the first branches where the client gave the points. */
  begin(): void {
    if (this.#given) return this.#branchOut([]);
    const { prompt } = this;
    this.#run.addLane({
      name: "outline",
      prompt,
      limit: this.#outlineLimit,
      stop: [],
      owner: this,
    });
  }

  /** The outline's own lane went on: once it has ended, the branches begin. */
  settled(lane: Lane): void {
    if (!lane.finish) return;
    const why = lane.finish === "length"
      ? `it did not end within ${this.#outlineLimit} tokens`
      : this.#read(lane);
    const { start } = this.#run;
    if (why === undefined) {
      const { tokens } = this.#trunk;
      this.#free(lane, tokens, tokens.length);
      return this.#branchOut(this.#run.addPrompt(tokens, lane));
    }
    this.fallback = why;
    this.#free(lane, start.prompt, start.prompt.length - 1);
    this.#run.plainAfter(lane, Math.max(1, start.max_tokens - lane.generated));
  }

  /** Reads a generated outline and plans its branches. Returns why that cannot be, if so. */
  #read(lane: Lane): string | undefined {
    const parsed = this.#words.parse(lane.text);
    if ("malformed" in parsed) return parsed.malformed;
    const { points } = parsed;
    if (points.length < 2) return `it has ${points.length} point`;
    const left = this.#total - lane.generated;
    return this.#plan({ tokens: lane.answer, text: lane.text, points }, left);
  }

  /**
   * Decides the branches' prompts and how many of `left` tokens each branch may generate. Returns
   * why there can be no branches, if so.
   */
  #plan(outline: OutlineAnswer, left: number): string | undefined {
    const { points } = outline;
    const { context } = this.#run.start;
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
      return `a point's ${longest} tokens and ${this.#limit} more do not fit ` +
        `the context of ${context}`;
    }
    const trunk = commonPrefix(this.#prompts);
    this.#trunk = { tokens: Array.from(trunk), rows: [] };
    const fit = Math.floor(
      (MOST_CONTEXTS * context - trunk.length) / (longest - trunk.length + this.#limit),
    );
    this.#most = Math.max(1, Math.min(this.#most, points.length, fit));
    return undefined;
  }

  /**
   * Begins the first branches; `rows` are the row numbers of the trunk's tokens, none where the first
   * of the branches opens the request.
   */
  #branchOut(rows: number[]): void {
    const points = this.#points;
    const { start } = this.#run;
    this.#trunk = { ...this.#trunk, rows };
    this.branches = points.length;
    this.#text = new OrderedText({
      headings: points.map((_, k) => this.#words.heading(points, k)),
      live: start.live_branches,
      emit: (delta, tokens) => this.#run.emit(delta, { lane: nameOf(delta.branch!), tokens }),
    });
    for (let k = 0; k < this.#most; k++) this.#begin();
  }

  /** Begins the next point's branch, if there is one. */
  #begin(): void {
    if (this.#next >= this.branches) return;
    const k = this.#next++;
    const { rows } = this.#run.addLane({
      name: nameOf(k),
      limit: this.#limit,
      stop: [],
      owner: { settled: (lane, settled, told) => this.#branch(k, lane, { settled, told }) },
      prompt: this.#prompts[k],
      ...(this.#trunk.rows.length > 0 && { shared: this.#trunk }),
    });
    // It has opened the request: the trunk's rows are its first ones.
    const { tokens } = this.#trunk;
    if (this.#trunk.rows.length === 0) {
      this.#trunk = { tokens, rows: rows.slice(0, tokens.length) };
    }
  }

  /** The branch of point `k` went on. */
  #branch(
    k: number,
    lane: Lane,
    { settled, told }: { settled: Settled; told?: Settled },
  ): void {
    const over = lane.finish !== undefined;
    const fresh = settled.taken.length > 0;
    const upTo = lane.generated;
    if (told) {
      const before = upTo - settled.taken.length;
      this.#text!.told(k, {
        text: told.text,
        tokens: lane.spell(told),
        upTo: before,
        last: over && !fresh,
      });
    }
    if (fresh) {
      const { text } = settled;
      this.#text!.push(k, { text, tokens: lane.spell(settled), upTo, last: over });
    }
    if (!over) return;
    this.#cut ||= lane.finish === "length";
    const own = lane.rows[this.#trunk.rows.length]; // its first row that is not the trunk's
    if (own !== undefined) this.#run.drop(own);
    this.#ended++;
    this.#begin();
    if (this.#ended === this.branches) this.#run.end(this.#cut ? "length" : "stop");
  }

  /**
   * Drops the rows of the outline that `prompt`, which comes next, does not begin with. It may
   * share `most` rows.
   */
  #free({ tokens, rows }: TokenChain, prompt: ArrayLike<number>, most: number): void {
    const same = Math.min(shared(tokens, prompt), most, rows.length);
    if (same < rows.length) this.#run.drop(rows[same]);
  }
}

/** Name of the lane of point `k`. */
const nameOf = (k: number) => `branch-${k}`;

/** Number of tokens that both sequences begin with. */
function shared(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let same = 0;
  while (same < Math.min(a.length, b.length) && a[same] === b[same]) same++;
  return same;
}

/** The tokens that all prompts begin with, but so few that each prompt has one of its own. */
function commonPrefix([first, ...others]: Int32Array[]): Int32Array {
  const most = Math.min(first.length, ...others.map((o) => o.length)) - 1;
  return first.subarray(0, Math.min(most, ...others.map((other) => shared(first, other))));
}
