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
import { Rules } from "../ebnf.ts";
import { SchemaDocument } from "./document.ts";
import { Schemas } from "./schemas.ts";
import { SchemaWriter } from "./writer.ts";

export { FORMATS } from "./formats.ts";
export { KEYWORDS } from "./keywords.ts";

/** A schema that was written as rules. */
export interface WrittenSchema {
  /** The grammar of its texts. */
  ebnf: string;
  /** Whether limits of strings were left out, since they are long. */
  long: boolean;
  /** The grammar with these limits. */
  exactly(): string;
}

/** Settings of {@linkcode writeSchema}. */
export interface SchemaOptions {
  /**
   * Most states for names that the schema neither lists nor describes: each is a state at which the
   * engine looks at the whole vocabulary. Where a schema needs more, its objects have the properties
   * that it lists, and no others. @default no limit
   */
  nameStates?: number;
}

/**
 * Writes a schema's texts as rules, without long limits of strings. Throws OrreryError group
 * `model`: `schema_unsupported`, `grammar_invalid`, `grammar_too_large`.
 */
export function writeSchema(schema: unknown, options: SchemaOptions = {}): WrittenSchema {
  const schemas = new Schemas(new SchemaDocument(schema));
  const write = (closed: boolean) => {
    const rules = new Rules();
    const writer = new SchemaWriter(schemas, rules, { closed });
    return { writer, rules, root: writer.root(), closed };
  };
  let written = write(false);
  if (written.writer.nameStates > (options.nameStates ?? Infinity)) written = write(true);
  const { writer, rules, root, closed } = written;
  return {
    ebnf: rules.grammar(root),
    long: writer.leftOut,
    exactly: () => {
      const exact = new Rules();
      return exact.grammar(new SchemaWriter(schemas, exact, { exact: true, closed }).root());
    },
  };
}
