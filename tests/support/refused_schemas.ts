/**
 * Schemas that no mask of tokens can hold an answer to.
 *
 * @module
 */

/** Schemas that must be refused, with the keyword that the error names. */
export const REFUSED_SCHEMAS: { keyword: string; schema: unknown }[] = [
  {
    keyword: "uniqueItems",
    schema: { type: "array", items: { type: "string" }, uniqueItems: true },
  },
  { keyword: "format", schema: { type: "string", format: "idn-hostname" } },
  { keyword: "multipleOf", schema: { type: "number", multipleOf: 0.3 } },
  { keyword: "contains", schema: { type: "array", contains: { type: "integer" }, minItems: 4 } },
  {
    keyword: "minContains",
    schema: { type: "array", contains: { type: "integer" }, minContains: 2 },
  },
  {
    keyword: "maxContains",
    schema: { type: "array", contains: { type: "integer" }, maxContains: 2 },
  },
  { keyword: "minProperties", schema: { type: "object", minProperties: 3 } },
  { keyword: "not", schema: { not: { type: "array", items: { type: "integer" } }, type: "array" } },
  {
    keyword: "unevaluatedProperties",
    schema: { allOf: [{ properties: { a: {} } }], unevaluatedProperties: false },
  },
  { keyword: "$dynamicRef", schema: { $dynamicRef: "#node" } },
  { keyword: "$ref", schema: { $ref: "https://example.org/elsewhere" } },
];
