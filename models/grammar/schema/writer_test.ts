import assert from "node:assert/strict";
import { writeSchema } from "./mod.ts";

const open = {
  type: "object",
  properties: { name: { type: "string" }, size: { type: "integer" } },
  required: ["name"],
};
const closed = { ...open, additionalProperties: false };
const ebnf = (schema: unknown, nameStates?: number) => writeSchema(schema, { nameStates }).ebnf;

Deno.test("writeSchema() closes objects whose other names would need more states than allowed", () => {
  assert.notEqual(ebnf(open), ebnf(closed));
  assert.equal(ebnf(open, 100), ebnf(open));
  assert.equal(ebnf(open, 2), ebnf(closed));
  const nested = (object: unknown) => ({ type: "array", items: object });
  assert.equal(ebnf(nested(open), 2), ebnf(nested(closed)));
});

Deno.test("writeSchema() keeps other properties that the schema describes, or that minProperties needs", () => {
  const described = { ...open, additionalProperties: { type: "boolean" } };
  assert.equal(ebnf(described, 2), ebnf(described));
  const needed = { ...open, minProperties: 3 };
  assert.equal(ebnf(needed, 2), ebnf(needed));
  assert.equal(ebnf({ type: "object" }, 0), ebnf({ type: "object" }));
});
