/**
 * What a Generation needs to know about words to answer by an outline: the resource `outline`.
 *
 * @module
 */

/** The texts of one question. Made by the node, which has the tokenizer and the templates. */
export interface OutlineText {
  /** Is the question suited, and why; `why` is a clause that follows "because". */
  readonly route: { suited: boolean; why: string };
  /** Token ids of the request for an outline, from the conversation's first token on. */
  outlinePrompt(): Int32Array<ArrayBuffer>;
  /** The points of a finished outline, without numbers. */
  parse(text: string): { points: string[] } | { malformed: string };
  /** An outline of these points as an answer to the request: what is not generated but given. */
  write(points: readonly string[]): OutlineAnswer;
  /**
   * All token ids before the text of point `index` (0-based), from the conversation's first token
   * on. It should begin with the outline's prompt and answer as they are, so that their rows are
   * shared.
   */
  branchPrompt(outline: OutlineAnswer, index: number): Int32Array<ArrayBuffer>;
  /** What stands before the text of point `index`: `1. Point: `. */
  heading(points: readonly string[], index: number): string;
}

/** An outline, generated or given. */
export interface OutlineAnswer {
  /** Token ids of the answer, after the prompt; without the end token. */
  tokens: readonly number[];
  /** Text of those tokens. */
  text: string;
  /** What {@linkcode OutlineText.parse} made of it. */
  points: readonly string[];
}

/**
 * Resource `outline` of a generation actor; undefined where the question cannot be outlined (a
 * prompt of bare tokens).
 */
export type MakeOutlineText = () => OutlineText | undefined;
