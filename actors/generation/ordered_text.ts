/**
 * Joins the texts of several branches, which come at the same time, into one text in order.
 *
 * @module
 */
import type { Delta, SpelledToken } from "./client_messages.ts";

/** Text between two branches. */
const GAP = "\n\n";

/** Options of an {@linkcode OrderedText}. */
export interface OrderedTextOptions {
  /** Text before each branch. (branches) */
  headings: readonly string[];
  /**
   * True: each branch is sent as it comes. False: a branch is sent when those before it are over.
   */
  live: boolean;
  /** Called with what the client is to be sent. */
  emit(delta: Delta): void;
}

interface Branch {
  /** Its heading is part of `text`, or was sent. */
  begun: boolean;
  closed: boolean;
  /** White space at its end, which is sent only if more text comes. */
  space: string;
  /** Text that has not been sent. */
  text: string;
  /** Tokens that have not been sent. */
  tokens: SpelledToken[];
}

/** See the module's text. White space at the beginning and the end of a branch is left out. */
export class OrderedText {
  readonly #options: OrderedTextOptions;
  readonly #branches: Branch[];
  /** The first branch that has not ended: what comes after it waits, unless `live`. */
  #turn = 0;

  /** Texts of `options.headings.length` branches, all empty. */
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

  /** Adds text and tokens to branch `k`, 0-based. */
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

  /** Ends branch `k`: the next one may be sent. */
  close(k: number): void {
    const branch = this.#branches[k];
    branch.text += this.#opening(k);
    branch.closed = true;
    this.#flush(k);
    while (this.#branches[this.#turn]?.closed) this.#flush(++this.#turn);
  }

  /** The branch's heading, once: what stands before its first text. */
  #opening(k: number): string {
    const branch = this.#branches[k];
    if (branch.begun) return "";
    branch.begun = true;
    return (k > 0 && !this.#options.live ? GAP : "") + this.#options.headings[k];
  }

  /** Sends what branch `k` has, if it is its turn. */
  #flush(k: number): void {
    const branch = this.#branches[k];
    if (!branch || (k !== this.#turn && !this.#options.live)) return;
    if (branch.text === "" && branch.tokens.length === 0) return;
    this.#options.emit({ text: branch.text, tokens: branch.tokens, branch: k });
    branch.text = "";
    branch.tokens = [];
  }
}
