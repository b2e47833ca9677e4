/**
 * The router's decision about a question.
 *
 * @module
 */

/** Whether a question is suited to an outline, and why. */
export interface Route {
  /** True: the question is suited to an outline. */
  outline: boolean;
  /** Name of the rule that decided, or of the kind of question that the classifier sees. */
  rule: string;
  /** The reason for people, as a clause that follows "because". */
  why: string;
}
