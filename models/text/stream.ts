/**
 * Turns token ids into text as they come, without cutting a character.
 *
 * @module
 */
import type { DecodeOptions, Tokenizer } from "./tokenizer.ts";

const REPLACEMENT = "\uFFFD";
/**
 * Longest window, in ids. A longer one that still ends in an incomplete character is not valid
 * text, and its beginning is dropped.
 */
const LONGEST_WINDOW = 32;
/** Ids of such a window that are kept, and ids of the prompt that are taken as context. */
const KEPT = 8;

/** Options of {@linkcode TextStream}. */
export interface TextStreamOptions {
  /**
   * Ids before the first pushed one (the end of the prompt), which decide whether the first word
   * keeps its leading space. @default none
   */
  context?: readonly number[];
  /** Whether to leave special tokens out of the text. @default true */
  skipSpecialTokens?: boolean;
  /** Special tokens that are never left out. @default none */
  shown?: ReadonlySet<number>;
}

/**
 * Turns pushed ids into text. A token's text may depend on its neighbours (a character may be
 * spread over byte tokens, and a decoder strips the space of the first word). So a short window of
 * ids is decoded: the last ones whose text was emitted, for context, and the new ones. The text is
 * certain except for a trailing U+FFFD, which stands for a character that the next id may complete.
 *
 * For ids that encode valid text, the pushed and flushed texts add up to `Tokenizer.decode` of all
 * ids.
 */
export class TextStream {
  readonly #tokenizer: Tokenizer;
  readonly #decoding: DecodeOptions;
  #window: number[];
  /** Number of leading ids of the window that are context only. */
  #context: number;
  /** Characters (UTF-16 units) of the window's text that were emitted. */
  #emitted: number;

  /** Begins a stream; `tokenizer` must be the one that made the ids. */
  constructor(
    tokenizer: Tokenizer,
    { context = [], skipSpecialTokens = true, shown }: TextStreamOptions = {},
  ) {
    this.#tokenizer = tokenizer;
    this.#decoding = { skipSpecialTokens, shown };
    this.#window = context.slice(-KEPT);
    this.#context = this.#window.length;
    this.#emitted = certainLength(this.#decode());
  }

  /** Takes the next id and returns the text that has become certain; often empty. */
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

  /**
   * Ends the stream: returns the text that was held back, with U+FFFD for an incomplete character.
   */
  flush(): string {
    const rest = this.#decode().slice(this.#emitted);
    this.#emitted += rest.length;
    return rest;
  }

  /** Drops the first `count` ids of the window; the others become context. */
  #slide(count: number): void {
    this.#window = this.#window.slice(count);
    this.#context = this.#window.length;
    this.#emitted = certainLength(this.#decode());
  }

  #decode(): string {
    return this.#tokenizer.decode(this.#window, this.#decoding);
  }
}

const certainLength = (text: string): number =>
  text.endsWith(REPLACEMENT) ? text.length - 1 : text.length;
