/**
 * What an answer's text must be, as a request says it.
 *
 * @module
 */

/** A language that every whole answer must be a sentence of. */
export type ConstraintSpec =
  /** Any JSON object. */
  | { kind: "json" }
  /** JSON that is valid by this JSON schema. */
  | { kind: "json_schema"; schema: unknown }
  /** Text that a regular expression matches from its begin to its end. */
  | { kind: "regex"; pattern: string }
  /** Text of a grammar in EBNF, whose first rule is `root`. */
  | { kind: "grammar"; ebnf: string }
  /** Free text in which parts that begin with a trigger are held to a grammar, such as tool calls. */
  | { kind: "structural_tag"; tag: unknown };
