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
  /** Called with what the client is to be sent, and how many tokens of its branch it knows then. */
  emit(delta: Delta, upTo: number): void;
}

/** A piece of a branch. */
export interface BranchPiece {
  text: string;
  tokens: readonly SpelledToken[];
  /** Tokens that the branch has with this piece, an end token included. */
  upTo: number;
  /** The branch ends with it. */
  last: boolean;
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
  /** See {@linkcode BranchPiece}; of the last piece. */
  upTo: number;
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
      upTo: 0,
    }));
  }

  /** Adds a piece to branch `k`, 0-based. After its last one the next branch may be sent. */
  push(k: number, piece: BranchPiece): void {
    this.#add(k, piece);
    this.#flush(k);
    this.#turnOver();
  }

  /** The same for a piece that the client was sent in an earlier run of the request. */
  told(k: number, piece: BranchPiece): void {
    const branch = this.#branches[k];
    this.#add(k, piece);
    branch.text = "";
    branch.tokens = [];
    this.#turnOver();
  }

  #add(k: number, { text, tokens, upTo, last }: BranchPiece): void {
    const branch = this.#branches[k];
    const whole = branch.space + (branch.begun || branch.space !== "" ? text : text.trimStart());
    const shown = whole.trimEnd();
    branch.tokens.push(...tokens);
    branch.upTo = upTo;
    if (shown !== "") {
      branch.text += this.#opening(k) + shown;
      branch.space = whole.slice(shown.length);
    } else branch.space = branch.begun ? whole : "";
    if (!last) return;
    branch.text += this.#opening(k);
    branch.closed = true;
  }

  /** Branches whose turn it is by now are sent as far as they have come. */
  #turnOver(): void {
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
    this.#options.emit({ text: branch.text, tokens: branch.tokens, branch: k }, branch.upTo);
    branch.text = "";
    branch.tokens = [];
  }
}
