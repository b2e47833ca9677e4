/**
 * The kinds of questions that the router tells apart, and what each says about an outline.
 *
 * @module
 */

/** A kind of question. */
export interface QuestionKind {
  /** Its name, as in the router's questions (tests/fixtures/router). */
  kind: string;
  /** Whether its answers fall into points that do not depend on each other. */
  suited: boolean;
  /** The reason for that, as a clause that follows "because". */
  why: string;
}

/** All kinds, suited ones first. The order is that of the classifier's weights. */
export const KINDS: readonly QuestionKind[] = [
  { kind: "advice", suited: true, why: "advice falls into points that stand alone" },
  { kind: "how-to", suited: true, why: "a how-to falls into points that stand alone" },
  {
    kind: "aspects",
    suited: true,
    why: "causes, effects and aspects can be told one by one",
  },
  { kind: "explanation", suited: true, why: "an explanation has parts that stand alone" },
  { kind: "comparison", suited: true, why: "a comparison can be told aspect by aspect" },
  { kind: "what if", suited: true, why: "what would follow can be told one by one" },
  { kind: "ideas", suited: true, why: "each suggestion stands alone" },
  { kind: "code", suited: false, why: "lines of code depend on each other" },
  { kind: "procedure", suited: false, why: "each step needs the one before" },
  { kind: "maths", suited: false, why: "a calculation or proof depends on its own steps" },
  { kind: "puzzle", suited: false, why: "each step of the reasoning needs the one before" },
  { kind: "translation", suited: false, why: "a translation or a word's use is one short answer" },
  {
    kind: "given text",
    suited: false,
    why: "the answer is bound to the text that is given",
  },
  {
    kind: "story",
    suited: false,
    why: "each part of a narrative, a verse or a letter builds on the one before",
  },
  { kind: "fact", suited: false, why: "a fact is a sentence, not a list" },
  { kind: "short form", suited: false, why: "a short answer was asked for" },
  { kind: "yes or no", suited: false, why: "the question asks for a yes or a no" },
  { kind: "small talk", suited: false, why: "this is conversation" },
  { kind: "recall", suited: false, why: "the answer depends on what was said before" },
  { kind: "cause", suited: false, why: "a single cause is one chain of reasons" },
];
