/**
 * Why a constraint is refused.
 *
 * @module
 */
import type { OrreryError } from "../../actors/system/errors.ts";
import { modelError } from "../errors.ts";

/** Longest JSON text of a constraint, in UTF-16 units. */
export const MOST_SPEC_CHARS = 2 ** 20;

/** The error for a constraint that is not well-formed; HTTP status 400. */
export function grammarRefused(what: string, why: string): OrreryError {
  return modelError("grammar_invalid", `the ${what} cannot be used: ${why}`, { what });
}

/** The error for a schema's keyword that cannot be held to; HTTP status 400. */
export function unsupported(keyword: string, path: string, why: string): OrreryError {
  return modelError(
    "schema_unsupported",
    `${keyword} at ${path || "the schema's top"} is not supported: ${why}`,
    { keyword, path },
  );
}

/** The error for a constraint that takes too much; HTTP status 400. */
export function tooLarge(what: string, size: number, limit: number): OrreryError {
  return modelError(
    "grammar_too_large",
    `the constraint has ${size} ${what}, and ${limit} are the limit; make it smaller`,
    { what, size, limit },
  );
}

/** Refuses a constraint whose JSON text is too long. */
export function checkSize(text: string): void {
  if (text.length > MOST_SPEC_CHARS) throw tooLarge("characters", text.length, MOST_SPEC_CHARS);
}
