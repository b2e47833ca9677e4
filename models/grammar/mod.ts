/**
 * Answers that are held to a grammar: JSON by a schema, a regular expression, EBNF, tool calls.
 *
 * @module
 */
export type { ConstraintSpec } from "./constraint.ts";
