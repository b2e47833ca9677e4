/**
 * An answer by its outline: the points first, then a lane a point, all on the rows of the conversation so far.
 *
 *     prompt - outline ---- trunk -+- "expand point 1" - text of point 1
 *                                  |- "expand point 2" - text of point 2
 *                                  '- ...
 *
 * An outline that cannot be read, or has one point, is given up: the question is answered plainly, and the response says so.
 *
 * @module
 */
import type { OutlineText } from "../outline/contract.ts";
import type { Lane, Settled } from "./lane.ts";
import type { SpelledToken, Start } from "./messages.ts";
import { OrderedText } from "./ordered_text.ts";
import type { Chain, Run } from "./run.ts";

/** Longest outline in tokens. */
const OUTLINE_TOKENS = 256;
/** Fewest tokens that a point must have to be worth a branch. */
const POINT_TOKENS = 4;
/** Rows to count on for a branch's own prompt. */
const BRANCH_PROMPT_ROWS = 48;

/** What an outline needs of its run. */
export type OutlineHost =
  & Pick<Run, "addLane" | "addPrompt" | "drop" | "emit" | "end" | "plainAfter" | "spell">
  & {
    readonly start: Start;
  };

/** See the module's text. */
export class OutlineRun {
  /** Token ids of the request for the outline. */
  readonly prompt: Int32Array<ArrayBuffer>;
  /** Tokens that the outline may have. */
  readonly outlineLimit: number;
  /** Points that were expanded. */
  branches = 0;
  /** Why the question was answered plainly after all. */
  fallback?: string;
  readonly #host: OutlineHost;
  readonly #words: OutlineText;
  readonly #most: number;
  #text?: OrderedText;
  #trunk: Chain = { tokens: [], rows: [] };
  #prompts: Int32Array[] = [];
  #limit = 0;
  #next = 0;
  #over = 0;
  #cut = false;

  /** `words` are the question's outline texts. */
  constructor(host: OutlineHost, words: OutlineText) {
    const { max_tokens, max_branches, shape } = host.start;
    this.#host = host;
    this.#words = words;
    this.#most = max_branches ?? shape.max_branches;
    this.prompt = words.outlinePrompt();
    this.outlineLimit = Math.min(OUTLINE_TOKENS, Math.max(1, Math.floor(max_tokens / 2)));
  }

  /** Rows to count on beyond the prompt and the tokens that are generated. */
  get extraRows(): number {
    return Math.max(this.#most * BRANCH_PROMPT_ROWS, this.#host.start.prompt.length);
  }

  /** The outline's own lane. */
  settled(lane: Lane, _settled: Settled): void {
    if (!lane.finish) return;
    const why = lane.finish === "length"
      ? `it did not end within ${this.outlineLimit} tokens`
      : this.#branchOut(lane);
    if (why === undefined) return;
    this.fallback = why;
    const { start } = this.#host;
    this.#free(lane, start.prompt, start.prompt.length - 1);
    this.#host.plainAfter(lane, start.max_tokens - lane.generated);
  }

  /** Begins the branches; says why not, if so. */
  #branchOut(lane: Lane): string | undefined {
    const { start } = this.#host;
    const parsed = this.#words.parse(lane.text);
    if ("malformed" in parsed) return parsed.malformed;
    const { points } = parsed;
    if (points.length < 2) return `it has ${points.length} point`;
    const left = start.max_tokens - lane.generated;
    this.#limit = Math.floor(left / points.length);
    if (this.#limit < POINT_TOKENS) return `${left} tokens are too few for ${points.length} points`;
    const outline = { tokens: lane.answer, text: lane.text, points };
    this.#prompts = points.map((_, k) => this.#words.branchPrompt(outline, k));
    if (this.#prompts.some((prompt) => prompt[0] !== this.prompt[0])) {
      return "its points' prompts do not begin as the outline's does";
    }
    const longest = Math.max(...this.#prompts.map((p) => p.length));
    if (longest + this.#limit > start.context) {
      return `a point's ${longest} tokens and ${this.#limit} more do not fit the context of ${start.context}`;
    }
    const trunk = commonPrefix(this.#prompts);
    this.#free(lane, trunk, trunk.length);
    this.#trunk = { tokens: Array.from(trunk), rows: this.#host.addPrompt(trunk, lane) };
    this.branches = points.length;
    this.#text = new OrderedText({
      headings: points.map((_, k) => this.#words.heading(points, k)),
      live: start.live_branches,
      emit: (delta) => this.#host.emit(delta),
    });
    for (let k = 0; k < Math.min(this.#most, points.length); k++) this.#begin();
    return undefined;
  }

  #begin(): void {
    const k = this.#next++;
    this.#host.addLane({
      name: `branch-${k}`,
      prompt: this.#prompts[k],
      shared: this.#trunk,
      limit: this.#limit,
      stop: [],
      owner: { settled: (lane, settled) => this.#branch(k, lane, settled) },
    });
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
  #free({ tokens, rows }: Chain, prompt: ArrayLike<number>, most: number): void {
    let same = 0;
    while (same < Math.min(most, rows.length) && tokens[same] === prompt[same]) same++;
    if (same < rows.length) this.#host.drop(rows[same]);
  }
}

/** What all begin with; each has at least one token more. */
function commonPrefix([first, ...others]: Int32Array[]): Int32Array {
  let same = Math.min(first.length, ...others.map((o) => o.length)) - 1;
  for (const other of others) {
    let i = 0;
    while (i < same && other[i] === first[i]) i++;
    same = i;
  }
  return first.subarray(0, same);
}
