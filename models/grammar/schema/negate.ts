/**
 * What a schema forbids, as schemas.
 *
 * @module
 */
import { NOT_PATTERN, NOT_TEXTS, TYPES, typesOf } from "./branches_of.ts";
import type { SchemaNode } from "./branch.ts";
import {
  checked,
  type JsonSchema,
  type Part,
  type SchemaDocument,
  type SchemaObject,
} from "./document.ts";
import { saysSomething, validatingOf } from "./keywords.ts";

/** The values that a schema forbids: those that one of `nodes` allows. */
export interface Negation {
  nodes: SchemaNode[];
  /** false: some values that the schema forbids are not among them. */
  whole: boolean;
}

/** Most alternatives of a negation. */
const MOST = 200;

const NONE: Negation = { nodes: [], whole: true };
const UNKNOWN: Negation = { nodes: [], whole: false };

/** The opposite of a schema. */
export function negate(part: Part, document: SchemaDocument, depth = 0): Negation {
  const { schema, path } = part;
  if (schema === true) return NONE;
  if (schema === false) return { nodes: [[]], whole: true };
  if (!saysSomething(schema, path)) return NONE;
  if (depth > 20) return UNKNOWN;
  const one = (opposite: JsonSchema): SchemaNode => [{ schema: opposite, path }];
  const again = (value: unknown) =>
    negate({ schema: checked(value, path), path }, document, depth + 1);
  const found = validatingOf(schema).map((keyword): Negation => {
    const value = schema[keyword];
    if (keyword === "type") return ofType(schema, path, one);
    if (keyword === "$ref") return negate(document.resolve(value, part), document, depth + 1);
    if (keyword === "not") return { nodes: [one(checked(value, path))], whole: true };
    if (keyword === "allOf" && Array.isArray(value)) return any(value.map(again));
    if (keyword === "anyOf" && Array.isArray(value)) return all(value.map(again));
    if (keyword === "const") return ofValues([value], one);
    if (keyword === "enum" && Array.isArray(value)) return ofValues(value, one);
    return ofKeyword(schema, keyword, one);
  });
  return any(found);
}

/** What any of them forbids. */
function any(negations: Negation[]): Negation {
  const nodes = negations.flatMap(({ nodes }) => nodes);
  return {
    nodes: nodes.slice(0, MOST),
    whole: nodes.length <= MOST && negations.every(({ whole }) => whole),
  };
}

/** What all of them forbid. */
function all(negations: Negation[]): Negation {
  let nodes: SchemaNode[] = [[]];
  let whole = negations.every((negation) => negation.whole);
  for (const next of negations) {
    nodes = nodes.flatMap((a) => next.nodes.map((b) => [...a, ...b]));
    if (nodes.length > MOST) whole = false;
    nodes = nodes.slice(0, MOST);
  }
  return { nodes, whole };
}

type One = (opposite: JsonSchema) => SchemaNode;

function ofType(schema: SchemaObject, path: string, one: One): Negation {
  const types = typesOf(schema, path);
  const number = types.includes("number") || types.includes("integer");
  const rest = TYPES.filter((type) => type === "number" ? !number : !types.includes(type));
  return {
    nodes: rest.length === 0 ? [] : [one({ type: rest })],
    whole: !types.includes("integer"), // numbers with a fraction are left out
  };
}

function ofValues(values: unknown[], one: One): Negation {
  const nodes: SchemaNode[] = [];
  const texts = values.filter((value) => typeof value === "string");
  nodes.push(one({ type: "string", [NOT_TEXTS]: texts }));
  if (!values.includes(null)) nodes.push(one({ type: "null" }));
  const booleans = [true, false].filter((value) => !values.includes(value));
  if (booleans.length > 0) nodes.push(one({ enum: booleans }));
  const numbers = values.filter((value) => typeof value === "number").sort((a, b) => a - b);
  if (numbers.length === 0) nodes.push(one({ type: "number" }));
  numbers.forEach((value, i) => {
    const from = i === 0 ? {} : { exclusiveMinimum: numbers[i - 1] };
    nodes.push(one({ type: "number", ...from, exclusiveMaximum: value }));
    if (i === numbers.length - 1) nodes.push(one({ type: "number", exclusiveMinimum: value }));
  });
  const arrays = values.some(Array.isArray);
  const objects = values.some((value) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
  );
  if (!arrays) nodes.push(one({ type: "array" }));
  if (!objects) nodes.push(one({ type: "object" }));
  return { nodes, whole: !arrays && !objects };
}

/** The opposite of a keyword that speaks of one type. */
function ofKeyword(schema: SchemaObject, keyword: string, one: One): Negation {
  const value = schema[keyword];
  const whole = (...opposites: JsonSchema[]): Negation => ({
    nodes: opposites.map(one),
    whole: true,
  });
  const count = (type: string, opposite: string, limit: number): Negation =>
    limit < 0 ? NONE : whole({ type, [opposite]: limit });
  if (typeof value === "number") {
    switch (keyword) {
      case "minLength":
        return count("string", "maxLength", value - 1);
      case "maxLength":
        return count("string", "minLength", value + 1);
      case "minItems":
        return count("array", "maxItems", value - 1);
      case "maxItems":
        return count("array", "minItems", value + 1);
      case "minProperties":
        return count("object", "maxProperties", value - 1);
      case "maxProperties":
        return count("object", "minProperties", value + 1);
      case "minimum":
        return whole({
          type: "number",
          [schema.exclusiveMinimum === true ? "maximum" : "exclusiveMaximum"]: value,
        });
      case "maximum":
        return whole({
          type: "number",
          [schema.exclusiveMaximum === true ? "minimum" : "exclusiveMinimum"]: value,
        });
      case "exclusiveMinimum":
        return whole({ type: "number", maximum: value });
      case "exclusiveMaximum":
        return whole({ type: "number", minimum: value });
      default:
        return UNKNOWN;
    }
  }
  if (keyword === "exclusiveMinimum" || keyword === "exclusiveMaximum") return NONE; // see `minimum`
  if (keyword === "pattern") return whole({ type: "string", [NOT_PATTERN]: value });
  if (keyword === "required" && Array.isArray(value)) {
    return whole(...value.map((name) => ({ type: "object", properties: { [name]: false } })));
  }
  if (keyword === "properties" && typeof value === "object" && value !== null) {
    return whole(
      ...Object.entries(value).map(([name, each]) => ({
        type: "object",
        required: [name],
        properties: { [name]: { not: each } },
      })),
    );
  }
  return UNKNOWN;
}
