/**
 * `unevaluatedProperties` and `unevaluatedItems` where nothing but the schema itself evaluates: they
 * then say what `additionalProperties` and `items` say.
 *
 * @module
 */
import { unsupported } from "../errors.ts";
import type { SchemaObject } from "./document.ts";

const APPLICATORS = [
  ...["$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas", "dependencies"],
];

/** The schema with these keywords rewritten. Throws `model/schema_unsupported` where they cannot be. */
export function withoutUnevaluated(schema: SchemaObject, path: string): SchemaObject {
  let result = schema;
  for (
    const [keyword, others] of [
      ["unevaluatedProperties", ["additionalProperties"]],
      ["unevaluatedItems", ["items", "additionalItems"]],
    ] as const
  ) {
    const value = schema[keyword];
    if (value === undefined || value === true) continue;
    const contained = keyword === "unevaluatedItems" && Object.hasOwn(schema, "contains");
    if (contained || APPLICATORS.some((name) => Object.hasOwn(schema, name))) {
      throw unsupported(keyword, path, `it stands beside other schemas; use ${others[0]}`);
    }
    if (!others.some((name) => Object.hasOwn(schema, name))) {
      result = { ...result, [others[0]]: value };
    }
  }
  return result;
}
