/**
 * The texts of several branches as one text in order.
 *
 * @module
 */
import type { Delta, SpelledToken } from "./messages.ts";

/** Between two points. */
const GAP = "\n\n";

/** Options of an {@linkcode OrderedText}. */
export interface OrderedTextOptions {
  /** What stands before the text of each branch. */
  headings: readonly string[];
  /** Each branch as it comes, its heading first; else one text in order. */
  live: boolean;
  emit(delta: Delta): void;
}

interface Branch {
  begun: boolean;
  closed: boolean;
  /** White space that is not shown unless more text comes. */
  space: string;
  /** What waits for its turn. */
  text: string;
  tokens: SpelledToken[];
}

/** See the module's text. White space around a branch's text is left out. */
export class OrderedText {
  readonly #options: OrderedTextOptions;
  readonly #branches: Branch[];
  #turn = 0;

  constructor(options: OrderedTextOptions) {
    this.#options = options;
    this.#branches = options.headings.map(() => ({
      begun: false,
      closed: false,
      space: "",
      text: "",
      tokens: [],
    }));
  }

  /** A branch goes on. */
  push(k: number, text: string, tokens: readonly SpelledToken[]): void {
    const branch = this.#branches[k];
    const whole = branch.space + (branch.begun || branch.space !== "" ? text : text.trimStart());
    const shown = whole.trimEnd();
    branch.tokens.push(...tokens);
    if (shown !== "") {
      branch.text += this.#opening(k) + shown;
      branch.space = whole.slice(shown.length);
    } else branch.space = branch.begun ? whole : "";
    this.#flush(k);
  }

  /** A branch is over. */
  close(k: number): void {
    const branch = this.#branches[k];
    branch.text += this.#opening(k);
    branch.closed = true;
    this.#flush(k);
    while (this.#branches[this.#turn]?.closed) this.#flush(++this.#turn);
  }

  /** What stands before a branch's first text. */
  #opening(k: number): string {
    const branch = this.#branches[k];
    if (branch.begun) return "";
    branch.begun = true;
    return (k > 0 && !this.#options.live ? GAP : "") + this.#options.headings[k];
  }

  #flush(k: number): void {
    const branch = this.#branches[k];
    if (!branch || (k !== this.#turn && !this.#options.live)) return;
    if (branch.text === "" && branch.tokens.length === 0) return;
    this.#options.emit({ text: branch.text, tokens: branch.tokens, branch: k });
    branch.text = "";
    branch.tokens = [];
  }
}
