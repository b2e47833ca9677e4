/**
 * Answers that are held to a grammar: JSON by a schema, a regular expression, EBNF, tool calls. Here
 * constraints become grammars, and tokenizers become vocabularies; `runtime/grammar/` compiles and
 * walks them.
 *
 * @module
 */
export type { ConstraintSpec } from "./constraint.ts";
export { checkSize, grammarRefused, MOST_SPEC_CHARS } from "./errors.ts";
export type { GrammarForm, GrammarText } from "./form.ts";
export { grammarOf } from "./grammar_of.ts";
export { checkSpecSize } from "./spec_size.ts";
export { FORMATS, KEYWORDS } from "./schema/mod.ts";
export {
  readVocabulary,
  type SpecialToken,
  type Vocabulary,
  type VocabularySource,
} from "./vocabulary.ts";
