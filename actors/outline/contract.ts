/**
 * The resource `outline`: the texts and token ids that a Generation needs to answer by an outline.
 *
 * @module
 */

/**
 * The texts of one question. The node makes them, because it has the tokenizer and the templates.
 */
export interface OutlineText {
  /**
   * Whether the question is suited to an outline. `why`: the reason as a clause that follows
   * "because".
   */
  readonly route: { suited: boolean; why: string };
  /** Token ids of the request for an outline, from the conversation's first token on. */
  outlinePrompt(): Int32Array<ArrayBuffer>;
  /**
   * Reads the points of a finished outline, without their numbers. `malformed`: why it has none.
   */
  parse(text: string): { points: string[] } | { malformed: string };
  /**
   * The answer to the request for an outline that consists of these points, where the client gave
   * them and none is generated.
   */
  write(points: readonly string[]): OutlineAnswer;
  /**
   * All token ids before the text of point `index` (0-based), from the conversation's first token
   * on. It should begin with the token ids of the outline's prompt and answer, so that the branches
   * share their rows.
   */
  branchPrompt(outline: OutlineAnswer, index: number): Int32Array<ArrayBuffer>;
  /** The text that stands before the text of point `index` (0-based): `1. Point: `. */
  heading(points: readonly string[], index: number): string;
}

/** An outline as the assistant's answer, generated or given by the client. */
export interface OutlineAnswer {
  /** Token ids of the answer: those after the prompt, without the end token. */
  tokens: readonly number[];
  /** Text of those tokens. */
  text: string;
  /** Its points, as {@linkcode OutlineText.parse} reads them. */
  points: readonly string[];
}

/**
 * Resource `outline` of a generation actor. It returns undefined where the question cannot be
 * outlined, as with a prompt of bare tokens.
 */
export type MakeOutlineText = () => OutlineText | undefined;
