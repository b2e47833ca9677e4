/**
 * Constraints as the engine's grammars.
 *
 * @module
 */
import type { ConstraintSpec } from "./constraint.ts";
import { bytesInClasses } from "./ebnf_classes.ts";
import type { GrammarForm } from "./form.ts";
import { taggedGrammar } from "./tags.ts";
import { regexGrammar, schemaGrammar } from "./texts.ts";

/**
 * The engine's form of a constraint. Throws OrreryError group `model`: `schema_unsupported`,
 * `grammar_invalid`, `grammar_too_large`.
 */
export function grammarOf(spec: ConstraintSpec): GrammarForm {
  switch (spec.kind) {
    case "json":
      return ofSchema({ type: "object" });
    case "json_schema":
      return ofSchema(spec.schema);
    case "regex":
      return { text: { ebnf: regexGrammar(spec.pattern) }, literals: [] };
    case "grammar":
      return { text: { ebnf: bytesInClasses(spec.ebnf) }, literals: [] };
    case "structural_tag":
      return taggedGrammar(spec.tag);
  }
}

function ofSchema(schema: unknown): GrammarForm {
  const { ebnf, exact } = schemaGrammar(schema);
  return { text: { ebnf }, exact: exact === undefined ? undefined : { ebnf: exact }, literals: [] };
}
