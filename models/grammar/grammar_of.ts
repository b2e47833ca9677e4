/**
 * Constraints as the engine's grammars.
 *
 * @module
 */
import type { ConstraintSpec } from "./constraint.ts";
import { bytesInClasses } from "./ebnf_classes.ts";
import type { GrammarForm } from "./form.ts";
import type { SchemaOptions } from "./schema/mod.ts";
import { taggedGrammar } from "./tags.ts";
import { regexGrammar, schemaGrammar } from "./texts.ts";

/**
 * The engine's form of a constraint. Throws OrreryError group `model`: `schema_unsupported`,
 * `grammar_invalid`, `grammar_too_large`.
 */
export function grammarOf(spec: ConstraintSpec, options: SchemaOptions = {}): GrammarForm {
  switch (spec.kind) {
    case "json":
      return ofSchema({ type: "object" }, options);
    case "json_schema":
      return ofSchema(spec.schema, options);
    case "regex":
      return { text: { ebnf: regexGrammar(spec.pattern) }, literals: [] };
    case "grammar":
      return { text: { ebnf: bytesInClasses(spec.ebnf) }, literals: [] };
    case "structural_tag":
      return taggedGrammar(spec.tag, options);
  }
}

function ofSchema(schema: unknown, options: SchemaOptions): GrammarForm {
  const { ebnf, exact } = schemaGrammar(schema, options);
  return { text: { ebnf }, exact: exact === undefined ? undefined : { ebnf: exact }, literals: [] };
}
