/**
 * The keywords of JSON schema that are read, and those that are refused.
 *
 * @module
 */
import { unsupported } from "../errors.ts";
import type { SchemaObject } from "./document.ts";

/** Keywords that are held to, by the type of the values that they speak of. */
export const KEYWORDS = {
  any: [
    ...["type", "enum", "const", "$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else"],
  ],
  string: ["minLength", "maxLength", "pattern", "format"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  array: [
    ...["items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems"],
    ...["contains", "minContains", "maxContains", "unevaluatedItems"],
  ],
  object: [
    ...["properties", "patternProperties", "additionalProperties", "required", "minProperties"],
    ...["maxProperties", "propertyNames", "dependentRequired", "dependentSchemas", "dependencies"],
    "unevaluatedProperties",
  ],
} as const;

/** Keywords that no grammar of this kind can hold to, and why. */
const REFUSED: Record<string, string> = {
  $dynamicRef: "use $ref",
  $recursiveRef: "use $ref",
};

const VALIDATING: ReadonlySet<string> = new Set(Object.values(KEYWORDS).flat());

/** Does a schema say anything about values? Throws `model/schema_unsupported` for refused keywords. */
export function saysSomething(schema: SchemaObject, path: string): boolean {
  for (const [keyword, why] of Object.entries(REFUSED)) {
    if (Object.hasOwn(schema, keyword)) throw unsupported(keyword, path, why);
  }
  return Object.getOwnPropertySymbols(schema).length > 0 ||
    Object.keys(schema).some((keyword) => VALIDATING.has(keyword));
}

/** Keywords of a schema that validate. */
export function validatingOf(schema: SchemaObject): string[] {
  return Object.keys(schema).filter((keyword) => VALIDATING.has(keyword));
}
