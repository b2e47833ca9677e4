/**
 * Schemas with values for and against each, for tests of what answers are held to.
 *
 * @module
 */

/** A schema, and values of which some are valid by it and some are not. */
export interface SchemaCase {
  name: string;
  schema: unknown;
  values: unknown[];
}

const object = (properties: object, more: object = {}) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
});

const TREE = {
  $defs: {
    node: object({
      v: { type: "integer" },
      kids: { type: "array", items: { $ref: "#/$defs/node" } },
    }),
  },
  $ref: "#/$defs/node",
};

/** Schemas that can be held to. */
export const SCHEMA_CASES: SchemaCase[] = [
  {
    name: "anything",
    schema: true,
    values: [1, "x", null, [1, { a: 2 }], {}, { "é😀": "\u0001" }],
  },
  { name: "any object", schema: { type: "object" }, values: [{}, { a: { b: [] } }, [], 1] },
  { name: "null", schema: { type: "null" }, values: [null, 0, "null"] },
  { name: "boolean", schema: { type: "boolean" }, values: [true, false, 1, "true"] },
  { name: "integer", schema: { type: "integer" }, values: [0, -7, 123456789, 1.5, "1", null] },
  { name: "number", schema: { type: "number" }, values: [0, -0.25, 1e21, 3.5e-7, "1", {}] },
  {
    name: "string",
    schema: { type: "string" },
    values: ["", 'a"b\\c\n', "日本語 😀", "\u0000", 1],
  },
  { name: "two types", schema: { type: ["string", "null"] }, values: ["a", null, 1, []] },
  {
    name: "enum",
    schema: { enum: ["a", 1, null, { x: [1, 2] }, true] },
    values: ["a", 1, null, { x: [1, 2] }, true, "b", 2, { x: [2] }],
  },
  {
    name: "enum with a type",
    schema: { type: "string", enum: ["a", 1, "b"] },
    values: ["a", "b", 1],
  },
  { name: "const", schema: { const: "é\n" }, values: ["é\n", "e", null] },
  {
    name: "const object",
    schema: { const: { a: [1, { b: null }] } },
    values: [{ a: [1, { b: null }] }, { a: [] }],
  },
  {
    name: "required in order",
    schema: object({ a: { type: "integer" }, b: { type: "string" } }),
    values: [{ a: 1, b: "x" }, { a: 1 }, { b: "x" }, { a: 1, b: "x", c: 1 }, { a: "1", b: "x" }],
  },
  {
    name: "optional properties",
    schema: {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "string" }, c: { type: "null" } },
      required: ["b"],
      additionalProperties: false,
    },
    values: [{ b: "" }, { a: 1, b: "" }, { b: "", c: null }, { a: 1, b: "", c: null }, { a: 1 }, {
      a: 1,
      c: null,
    }, {}],
  },
  {
    name: "additional properties",
    schema: {
      type: "object",
      properties: { name: { type: "string" } },
      additionalProperties: { type: "integer" },
    },
    values: [{ name: "x", n: 1 }, { n: 1, names: 2 }, { nam: 1 }, { name: 1 }, { n: "x" }, {}],
  },
  {
    name: "free properties",
    schema: { type: "object", properties: { a: { type: "integer" } } },
    values: [{ a: 1, z: [] }, { z: "a" }, { a: "1" }, { aa: "1" }],
  },
  {
    name: "required without a schema",
    schema: { type: "object", required: ["x"] },
    values: [{ x: 1 }, { x: [], y: 2 }, { y: 2 }, {}],
  },
  {
    name: "property that is forbidden",
    schema: { type: "object", properties: { a: false, b: true } },
    values: [{ b: 1 }, { a: 1 }, { c: 1 }],
  },
  {
    name: "unicode keys",
    schema: object({ "naïve 😀": { type: "integer" }, 'a"b\\': { type: "integer" } }),
    values: [{ "naïve 😀": 1, 'a"b\\': 2 }, { "naive 😀": 1, 'a"b\\': 2 }],
  },
  {
    name: "nested objects",
    schema: object({ a: object({ b: object({ c: { type: "boolean" } }) }) }),
    values: [{ a: { b: { c: true } } }, { a: { b: { c: 1 } } }, { a: { b: {} } }],
  },
  {
    name: "minLength",
    schema: { type: "string", minLength: 2 },
    values: ["ab", "😀😀", "a", "😀", "", "abc"],
  },
  {
    name: "maxLength",
    schema: { type: "string", maxLength: 3 },
    values: ["", "abc", "😀😀😀", "abcd", "\n\n\n\n"],
  },
  {
    name: "long maxLength",
    schema: object({ a: { type: "string", maxLength: 100 }, b: { type: "integer" } }),
    values: [
      { a: "x".repeat(100), b: 1 },
      { a: "é".repeat(100), b: 1 },
      { a: "x".repeat(101), b: 1 },
      { a: `${"ab ".repeat(33)}\n`, b: 1 },
      { a: `${"ab ".repeat(33)}\n.`, b: 1 },
      { a: "", b: 2 },
    ],
  },
  {
    name: "pattern",
    schema: { type: "string", pattern: "^[a-z]{2,3}-[0-9]+$" },
    values: ["ab-1", "abc-007", "a-1", "abcd-1", "ab-", "xab-1x"],
  },
  {
    name: "pattern anywhere",
    schema: { type: "string", pattern: "b+" },
    values: ["abba", "b", "a", "", "xx\nb"],
  },
  {
    name: "pattern with inner anchors",
    schema: { type: "string", pattern: "(^a|b$)c?" },
    values: ["ax", "xb", "xa", "bx", "b", "ac"],
  },
  {
    name: "pattern of escaped characters",
    schema: { type: "string", pattern: '^["\\\\\\n]+$' },
    values: ['"', "\\\n", "a", ""],
  },
  {
    name: "pattern of Unicode classes",
    schema: { type: "string", pattern: "^\\p{Lu}\\w*$" },
    values: ["Éa", "Z", "éa", "É!"],
  },
  {
    name: "pattern with a length",
    schema: { type: "string", pattern: "^[ab]*$", minLength: 2, maxLength: 4 },
    values: ["ab", "aaaa", "a", "aaaaa", "ac"],
  },
  {
    name: "two patterns",
    schema: { allOf: [{ type: "string", pattern: "^a" }, { pattern: "z$" }] },
    values: ["az", "a--z", "a", "z", "za"],
  },
  {
    name: "date",
    schema: { type: "string", format: "date" },
    values: ["2024-02-29", "1999-12-31", "2023-02-29", "2023-13-01", "2023-1-1", "1900-02-29"],
  },
  {
    name: "date-time",
    schema: { type: "string", format: "date-time" },
    values: [
      "2024-02-29T12:00:00Z",
      "2024-02-29T23:59:59.123+02:00",
      "2024-02-29 12:00:00",
      "2024-02-30T12:00:00Z",
      "2024-02-29T25:00:00Z",
    ],
  },
  {
    name: "email and uuid",
    schema: object({
      e: { type: "string", format: "email" },
      u: { type: "string", format: "uuid" },
    }),
    values: [{ e: "a.b@c.org", u: "123e4567-e89b-12d3-a456-426614174000" }, {
      e: "a@",
      u: "123e4567-e89b-12d3-a456-426614174000",
    }, { e: "a@b.c", u: "123e4567" }],
  },
  {
    name: "addresses",
    schema: object({
      a: { type: "string", format: "ipv4" },
      b: { type: "string", format: "ipv6" },
      h: { type: "string", format: "hostname" },
    }),
    values: [
      { a: "127.0.0.1", b: "::1", h: "example.org" },
      { a: "255.255.255.255", b: "2001:db8::8:800:200c:417a", h: "a-b" },
      { a: "256.0.0.1", b: "::1", h: "a" },
      { a: "1.2.3.4", b: "1::2::3", h: "a" },
      { a: "1.2.3.4", b: "::", h: "-a" },
      { a: "1.2.3.4", b: "1:2:3:4:5:6:7:8", h: "a" },
      { a: "1.2.3.4", b: "1:2:3:4:5:6:7::", h: "a" },
    ],
  },
  {
    name: "uri",
    schema: { type: "string", format: "uri" },
    values: ["https://example.org/a?b=c#d", "mailto:a@b.org", "not a uri", "//no-scheme"],
  },
  {
    name: "integer range",
    schema: { type: "integer", minimum: -17, maximum: 1234 },
    values: [-17, 0, 5, 99, 1234, -18, 1235, 12340, 1.5],
  },
  {
    name: "large integers",
    schema: { type: "integer", minimum: 1000 },
    values: [1000, 999999, 999, 0, -5],
  },
  {
    name: "exclusive range",
    schema: { type: "integer", exclusiveMinimum: 3, exclusiveMaximum: 11 },
    values: [3, 4, 10, 11],
  },
  {
    name: "number range",
    schema: { type: "number", minimum: 0.25, maximum: 10.5 },
    values: [0.25, 0.3, 1, 10.5, 10.25, 0.2, 0, 10.51, 11, -1],
  },
  {
    name: "number above zero",
    schema: { type: "number", exclusiveMinimum: 0 },
    values: [0.001, 5, 12.75, 0, -0.1],
  },
  {
    name: "number between neighbours",
    schema: { type: "number", minimum: 1.23, maximum: 1.27 },
    values: [1.23, 1.25, 1.2699, 1.27, 1.22, 1.271, 1.3, 1],
  },
  {
    name: "negative numbers",
    schema: { type: "number", maximum: -1.5 },
    values: [-1.5, -2, -100.25, -1.4, 0, 1],
  },
  {
    name: "multipleOf",
    schema: { type: "integer", multipleOf: 7 },
    values: [0, 7, -14, 700, 8, -1],
  },
  {
    name: "multipleOf in a range",
    schema: { type: "number", multipleOf: 0.5, minimum: -1, maximum: 2 },
    values: [-1, -0.5, 0, 1.5, 2, 0.25, 2.5],
  },
  {
    name: "cents",
    schema: { type: "number", multipleOf: 0.01, minimum: 0 },
    values: [0, 12.34, 5.1, 1.005, -1],
  },
  {
    name: "array of strings",
    schema: { type: "array", items: { type: "string" } },
    values: [[], ["a", "b"], ["a", 1], "a"],
  },
  {
    name: "array limits",
    schema: { type: "array", items: { type: "integer" }, minItems: 1, maxItems: 3 },
    values: [[1], [1, 2, 3], [], [1, 2, 3, 4]],
  },
  {
    name: "tuple",
    schema: {
      type: "array",
      prefixItems: [{ type: "string" }, { type: "integer" }],
      items: false,
      minItems: 2,
    },
    values: [["a", 1], ["a"], ["a", 1, 2], [1, "a"]],
  },
  {
    name: "open tuple",
    schema: { type: "array", prefixItems: [{ type: "string" }], items: { type: "boolean" } },
    values: [[], ["a"], ["a", true, false], ["a", 1], [true]],
  },
  {
    name: "contains",
    schema: { type: "array", items: { type: "integer" }, contains: { minimum: 10 } },
    values: [[10], [1, 2, 30, 4], [], [1, 2], ["a", 10]],
  },
  {
    name: "unique items of an enum",
    schema: { type: "array", items: { enum: ["a", "b", "c"] }, uniqueItems: true, minItems: 1 },
    values: [["a"], ["c", "a", "b"], ["a", "a"], ["d"], []],
  },
  {
    name: "anyOf",
    schema: {
      anyOf: [
        { type: "integer" },
        { type: "string", maxLength: 2 },
        object({ a: { type: "null" } }),
      ],
    },
    values: [1, "ab", { a: null }, "abc", 1.5, {}],
  },
  {
    name: "anyOf beside properties",
    schema: {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "integer" } },
      additionalProperties: false,
      anyOf: [{ required: ["a"] }, { required: ["b"] }],
    },
    values: [{ a: 1 }, { b: 1 }, { a: 1, b: 2 }, {}],
  },
  {
    name: "oneOf of kinds",
    schema: {
      oneOf: [
        object({ kind: { const: "a" }, n: { type: "integer" } }),
        object({ kind: { const: "b" }, s: { type: "string" } }),
      ],
    },
    values: [{ kind: "a", n: 1 }, { kind: "b", s: "" }, { kind: "a", s: "" }, { kind: "c" }],
  },
  {
    name: "oneOf that overlaps",
    schema: { oneOf: [{ type: "integer", minimum: 0 }, { type: "integer", maximum: 10 }] },
    values: [-1, 11, 0, 5, 10],
  },
  {
    name: "oneOf of requirements",
    schema: {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "integer" } },
      additionalProperties: false,
      oneOf: [{ required: ["a"] }, { required: ["b"] }],
    },
    values: [{ a: 1 }, { b: 1 }, { a: 1, b: 1 }, {}],
  },
  {
    name: "allOf",
    schema: {
      allOf: [{
        type: "object",
        properties: { a: { type: "integer", minimum: 1 } },
        required: ["a"],
      }, { properties: { a: { maximum: 3 }, b: { type: "string" } }, required: ["b"] }],
    },
    values: [{ a: 2, b: "x" }, { a: 4, b: "x" }, { a: 0, b: "x" }, { a: 2 }],
  },
  {
    name: "not of an enum",
    schema: { type: "string", not: { enum: ["a", "bc"] } },
    values: ["", "b", "bcd", "a", "bc"],
  },
  {
    name: "not of a type",
    schema: { not: { type: ["object", "array"] } },
    values: [1, "a", null, {}, []],
  },
  {
    name: "if then else",
    schema: {
      type: "object",
      properties: { kind: { enum: ["a", "b"] }, n: {} },
      required: ["kind", "n"],
      additionalProperties: false,
      if: { properties: { kind: { const: "a" } } },
      then: { properties: { n: { type: "integer" } } },
      else: { properties: { n: { type: "string" } } },
    },
    values: [{ kind: "a", n: 1 }, { kind: "b", n: "x" }, { kind: "a", n: "x" }, {
      kind: "b",
      n: 1,
    }],
  },
  {
    name: "dependentRequired",
    schema: {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "integer" } },
      additionalProperties: false,
      dependentRequired: { a: ["b"] },
    },
    values: [{}, { b: 1 }, { a: 1, b: 1 }, { a: 1 }],
  },
  {
    name: "dependentSchemas",
    schema: {
      type: "object",
      properties: { a: { type: "integer" }, b: {} },
      additionalProperties: false,
      dependentSchemas: { a: { properties: { b: { type: "string" } } } },
    },
    values: [{ a: 1, b: "x" }, { a: 1 }, { b: 1 }, { a: 1, b: 1 }],
  },
  {
    name: "patternProperties",
    schema: {
      type: "object",
      patternProperties: { "^x-": { type: "integer" }, "z$": { maximum: 5 } },
      additionalProperties: false,
    },
    values: [{ "x-a": 1 }, { "x-z": 3 }, { "x-z": 9 }, { "x-a": "s" }, { y: 1 }, { z: 4 }],
  },
  {
    name: "propertyNames",
    schema: {
      type: "object",
      propertyNames: { pattern: "^[a-c]+$" },
      additionalProperties: { type: "integer" },
    },
    values: [{ abc: 1 }, {}, { d: 1 }, { a: "1" }],
  },
  {
    name: "minProperties",
    schema: {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "integer" }, c: { type: "integer" } },
      additionalProperties: false,
      minProperties: 2,
    },
    values: [{ a: 1, b: 2 }, { b: 1, c: 2 }, { a: 1 }, {}, { a: 1, b: 2, c: 3 }],
  },
  {
    name: "maxProperties",
    schema: { type: "object", additionalProperties: { type: "integer" }, maxProperties: 2 },
    values: [{}, { a: 1, b: 2 }, { a: 1, b: 2, c: 3 }],
  },
  {
    name: "references",
    schema: {
      $defs: { "a/b": { type: "integer" }, c: { $anchor: "here", type: "string" } },
      ...object({ x: { $ref: "#/$defs/a~1b" }, y: { $ref: "#here" } }),
    },
    values: [{ x: 1, y: "a" }, { x: "a", y: "a" }, { x: 1, y: 1 }],
  },
  {
    name: "references by id",
    schema: {
      $id: "https://example.org/root",
      $defs: {
        part: {
          $id: "part",
          type: "object",
          properties: { n: { $ref: "#/$defs/n" } },
          required: ["n"],
          $defs: { n: { type: "integer" } },
        },
      },
      type: "array",
      items: { $ref: "part" },
    },
    values: [[{ n: 1 }], [], [{ n: "1" }], [{}]],
  },
  {
    name: "recursion",
    schema: TREE,
    values: [{ v: 1, kids: [] }, { v: 1, kids: [{ v: 2, kids: [{ v: 3, kids: [] }] }] }, { v: 1 }, {
      v: 1,
      kids: [{ v: "2", kids: [] }],
    }],
  },
  {
    name: "linked list",
    schema: {
      type: "object",
      properties: { next: { anyOf: [{ $ref: "#" }, { type: "null" }] } },
      required: ["next"],
      additionalProperties: false,
    },
    values: [{ next: null }, { next: { next: { next: null } } }, {}, { next: {} }],
  },
  {
    name: "draft 4",
    schema: {
      $schema: "http://json-schema.org/draft-04/schema#",
      type: "array",
      items: [{ type: "integer", minimum: 0, exclusiveMinimum: true }],
      additionalItems: false,
    },
    values: [[1], [], [0], [1, 2]],
  },
];
