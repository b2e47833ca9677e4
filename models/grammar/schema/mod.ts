/**
 * JSON schemas as grammars of JSON texts. A schema is read as a union of branches of one type each
 * (`schemas.ts`), in which what it combines (`allOf`, `$ref`, `oneOf`, ...) is worked out; each branch
 * is then written by its type.
 *
 * Every text of the grammar is valid by the schema. The grammar has the texts whose properties are in
 * the schema's order, with escapes where JSON needs them (strings without a pattern: all escapes), and
 * numbers of up to 20 digits.
 *
 * @module
 */
import type { Rules } from "../ebnf.ts";
import { SchemaDocument } from "./document.ts";
import { Schemas } from "./schemas.ts";
import { SchemaWriter } from "./writer.ts";

export { FORMATS } from "./formats.ts";
export { KEYWORDS } from "./keywords.ts";

/** A schema that was written as rules. */
export interface WrittenSchema {
  /** The name of the rule of its texts. */
  root: string;
  /** Whether limits of strings were left out, since they are long. */
  long: boolean;
  /** Writes it again, with these limits, and returns the name of its rule. */
  exactly(rules: Rules): string;
}

/**
 * Writes a schema's texts as rules, without long limits of strings. Throws OrreryError group
 * `model`: `schema_unsupported`, `grammar_invalid`, `grammar_too_large`.
 */
export function writeSchema(schema: unknown, rules: Rules): WrittenSchema {
  const schemas = new Schemas(new SchemaDocument(schema));
  const writer = new SchemaWriter(schemas, rules);
  const root = writer.root();
  return {
    root,
    long: writer.leftOut,
    exactly: (exact) => new SchemaWriter(schemas, exact, true).root(),
  };
}
