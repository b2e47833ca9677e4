/**
 * What writing values of one type needs of the writer of the whole schema.
 *
 * @module
 */
import type { Rules } from "../ebnf.ts";
import type { SchemaNode } from "./branch.ts";
import type { Schemas } from "./schemas.ts";

/** See the module's text. */
export interface Writing {
  /** The rules that are written. */
  readonly rules: Rules;
  /** What the schemas allow. */
  readonly schemas: Schemas;
  /** Are long limits of strings written? */
  readonly exact: boolean;
  /** Was a long limit left out? */
  leftOut: boolean;
  /** Are properties left out that the schema neither names nor describes? */
  readonly closed: boolean;
  /** States of automata that tell the names of such properties from those that the schema names. */
  nameStates: number;
  /** The rule of a node that allows a value. */
  node(node: SchemaNode): string;
}

/** Where blanks are allowed: none, one space, or a new line with an indentation of up to 32. */
export function blank(rules: Rules): string {
  return rules.of(`"" | " " | "\\n" [ \\t]{0,32}`);
}

/** Between a property's name and its value: a weak model would fill more with blanks. */
export function gap(rules: Rules): string {
  return rules.of(`"" | " "`);
}

/** Something within brackets, with blanks beside them. */
export function enclosed(rules: Rules, [open, close]: string, inside: string): string {
  const around = blank(rules);
  return inside === ""
    ? `"${open}" ${around} "${close}"`
    : `"${open}" ${around} ${inside} ${around} "${close}"`;
}
