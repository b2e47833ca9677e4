/**
 * Schemas and patterns as whole grammars.
 *
 * @module
 */
import { hasCode } from "../../actors/system/errors.ts";
import { Rules } from "./ebnf.ts";
import { grammarRefused } from "./errors.ts";
import {
  automatonOf,
  isEmpty,
  parseRegex,
  PLAIN,
  writeAutomaton,
  writeRegex,
} from "./regex/mod.ts";
import { type SchemaOptions, writeSchema } from "./schema/mod.ts";

/** Grammars of a schema's JSON texts. */
export interface SchemaGrammar {
  /** Lets strings be longer than their long limits. */
  ebnf: string;
  /** The same with these limits; undefined: there are none. */
  exact?: string;
}

/** The grammars of a schema's JSON texts. */
export function schemaGrammar(schema: unknown, options: SchemaOptions = {}): SchemaGrammar {
  const { ebnf, long, exactly } = writeSchema(schema, options);
  return long ? { ebnf, exact: exactly() } : { ebnf };
}

/** The grammar of the texts that a pattern matches as a whole. */
export function regexGrammar(pattern: string): string {
  const rules = new Rules();
  const regex = parseRegex(pattern);
  try {
    const texts = automatonOf(regex, "whole");
    if (isEmpty(texts)) throw grammarRefused("pattern", "it matches no text");
    return rules.grammar(writeAutomaton(texts, PLAIN, rules));
  } catch (error) {
    if (!hasCode(error, "grammar_too_large")) throw error;
    const written = writeRegex(regex, { where: "whole", spelling: PLAIN, rules });
    if (written === undefined) throw error;
    return rules.grammar(written);
  }
}
