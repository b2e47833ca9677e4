/**
 * What the grammar engine takes.
 *
 * @module
 */

/** A grammar as the engine takes it: EBNF whose first rule is `root`, or one of its structural tags. */
export type GrammarText = { ebnf: string } | { tag: unknown };

/** A constraint as the engine takes it. */
export interface GrammarForm {
  /** The grammar; it lets strings be longer than their long limits. */
  text: GrammarText;
  /** The same with these limits; undefined: there are none. */
  exact?: GrammarText;
  /** Texts that the grammar names as such: special tokens among them may follow. */
  literals: readonly string[];
}
