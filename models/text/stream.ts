/**
 * Token ids to text as they come, never half a character.
 *
 * @module
 */
import type { Tokenizer } from "./tokenizer.ts";

const REPLACEMENT = "\uFFFD";
/** Ids after which a window that still ends in an incomplete character is garbage and is cut. */
const LONGEST_WINDOW = 32;
/** Ids that are kept of it. */
const KEPT = 8;

/** Options of {@linkcode TextStream}. */
export interface TextStreamOptions {
  /**
   * Ids before the first pushed one (the prompt's last few): a leading space of the first word is
   * then kept.
   */
  context?: readonly number[];
  /** Leave special tokens out of the text. @default true */
  skipSpecialTokens?: boolean;
}

/**
 * Turns pushed ids into text. A token's text may depend on its neighbours (a character spread over
 * byte tokens, the space that a decoder strips from the first word), so a short window of ids is
 * decoded: those that were emitted last, for context, and the new ones. Text is certain up to a
 * trailing U+FFFD, which stands for a character that the next id may complete.
 *
 * For ids that encode valid text, what is pushed and flushed adds up to `Tokenizer.decode` of all
 * ids.
 */
export class TextStream {
  readonly #tokenizer: Tokenizer;
  readonly #skipSpecialTokens: boolean;
  #window: number[];
  /** Leading ids of the window that are context only. */
  #context: number;
  /** Characters of the window's text that were emitted. */
  #emitted: number;

  /** A stream at its beginning; `tokenizer` must be the one that made the ids. */
  constructor(
    tokenizer: Tokenizer,
    { context = [], skipSpecialTokens = true }: TextStreamOptions = {},
  ) {
    this.#tokenizer = tokenizer;
    this.#skipSpecialTokens = skipSpecialTokens;
    this.#window = context.slice(-KEPT);
    this.#context = this.#window.length;
    this.#emitted = certainLength(this.#decode());
  }

  /** The text that is certain now that this id came; often empty. */
  push(id: number): string {
    this.#window.push(id);
    const text = this.#decode();
    const certain = certainLength(text);
    const fresh = text.slice(this.#emitted, certain);
    this.#emitted = Math.max(this.#emitted, certain);
    if (certain === text.length && fresh !== "") this.#slide(this.#context);
    else if (this.#window.length > LONGEST_WINDOW && certain < text.length) {
      this.#slide(this.#window.length - KEPT);
    }
    return fresh;
  }

  /** The text that was still held back, with U+FFFD for a character that never got complete. */
  flush(): string {
    const rest = this.#decode().slice(this.#emitted);
    this.#emitted += rest.length;
    return rest;
  }

  /** Drops the first ids of the window; the others become context. */
  #slide(count: number): void {
    this.#window = this.#window.slice(count);
    this.#context = this.#window.length;
    this.#emitted = certainLength(this.#decode());
  }

  #decode(): string {
    return this.#tokenizer.decode(this.#window, { skipSpecialTokens: this.#skipSpecialTokens });
  }
}

const certainLength = (text: string): number =>
  text.endsWith(REPLACEMENT) ? text.length - 1 : text.length;
