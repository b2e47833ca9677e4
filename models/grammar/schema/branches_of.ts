/**
 * The branches of one schema by itself, without what it combines of other schemas.
 *
 * @module
 */
import { grammarRefused, unsupported } from "../errors.ts";
import { ALL_TEXTS, automatonOf, except, parseRegex, textsAutomaton } from "../regex/mod.ts";
import type {
  ArrayBranch,
  Bound,
  NumberBranch,
  ObjectBranch,
  SchemaNode,
  StringBranch,
  TextCheck,
  ValueBranch,
} from "./branch.ts";
import { checked, escaped, type Part, type SchemaObject } from "./document.ts";
import { ANNOTATIONS, FORMATS } from "./formats.ts";
import { saysSomething } from "./keywords.ts";

/** Types of values; an integer is a number. */
export const TYPES = ["null", "boolean", "number", "string", "array", "object"] as const;

/** A keyword that only this room writes: a pattern that must not match. */
export const NOT_PATTERN = Symbol("not pattern");
/** A keyword that only this room writes: texts that a string must not be. */
export const NOT_TEXTS = Symbol("not texts");

/** What a schema's own keywords allow, by type. `path` is where it stands. */
export function branchesOf(schema: SchemaObject, path: string): ValueBranch[] {
  const types = typesOf(schema, path);
  return types.flatMap((type): ValueBranch[] => {
    switch (type) {
      case "null":
      case "boolean":
        return [{ type }];
      case "integer":
      case "number":
        return [numberOf(schema, path, type === "integer")];
      case "string":
        return [stringOf(schema, path)];
      case "array":
        return [arrayOf(schema, path)];
      default:
        return [objectOf(schema, path)];
    }
  });
}

/** The types that a schema allows; `integer` only where not any number is. */
export function typesOf(schema: SchemaObject, path: string): string[] {
  if (schema.type === undefined) return [...TYPES];
  const types = [schema.type].flat();
  for (const type of types) {
    if (!([...TYPES, "integer"] as unknown[]).includes(type)) {
      throw grammarRefused("schema", `${path}/type: ${JSON.stringify(type)} is no type`);
    }
  }
  const unique = [...new Set(types as string[])];
  return unique.includes("number") ? unique.filter((type) => type !== "integer") : unique;
}

/** A number of a keyword; undefined: it is not there. */
function numeric(schema: SchemaObject, keyword: string, path: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw grammarRefused("schema", `${path}/${keyword} is no number`);
}

/** A count of a keyword; `usual`: it is not there. */
export function counted(
  schema: SchemaObject,
  keyword: string,
  { path, usual }: { path: string; usual: number },
): number {
  const value = numeric(schema, keyword, path) ?? usual;
  if (value === Infinity || value >= 0 && Number.isInteger(value)) return value;
  throw grammarRefused("schema", `${path}/${keyword}: ${value} is no count`);
}

/** The schemas of a keyword's list. */
export function listed(schema: SchemaObject, keyword: string, path: string): Part[] {
  const list = schema[keyword];
  if (list === undefined) return [];
  const at = `${path}/${keyword}`;
  if (!Array.isArray(list)) throw grammarRefused("schema", `${at} is no list`);
  return list.map((each, i) => ({ schema: checked(each, `${at}/${i}`), path: `${at}/${i}` }));
}

/** The schemas of a keyword's map. */
export function mapped(schema: SchemaObject, keyword: string, path: string): [string, Part][] {
  const map = schema[keyword];
  if (map === undefined) return [];
  const at = `${path}/${keyword}`;
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw grammarRefused("schema", `${at} is no object`);
  }
  return Object.entries(map).map(([name, each]) => {
    const where = `${at}/${escaped(name)}`;
    return [name, { schema: checked(each, where), path: where }];
  });
}

/** One schema as a node. Schemas that allow any value add nothing to it. */
export function nodeOf(schema: unknown, path: string): SchemaNode {
  const value = checked(schema, path);
  if (value === true) return [];
  if (typeof value === "object" && !saysSomething(value, path)) return [];
  return [{ schema: value, path }];
}

/** The texts of a list. */
export function textsOf(value: unknown, path: string): string[] {
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value;
  throw grammarRefused("schema", `${path} is no list of names`);
}

function numberOf(schema: SchemaObject, path: string, integer: boolean): NumberBranch {
  const bound = (limit: string, exclusive: string, tighter: (a: number, b: number) => number) => {
    const value = numeric(schema, limit, path);
    if (typeof schema[exclusive] === "boolean") { // as in draft 4
      return value === undefined ? undefined : { value, open: schema[exclusive] };
    }
    const open = numeric(schema, exclusive, path);
    if (open === undefined) return value === undefined ? undefined : { value, open: false };
    if (value === undefined || tighter(value, open) === open) return { value: open, open: true };
    return { value, open: false };
  };
  const multiple = numeric(schema, "multipleOf", path);
  if (multiple !== undefined && multiple <= 0) {
    throw grammarRefused("schema", `${path}/multipleOf: ${multiple} is not greater than 0`);
  }
  return {
    type: "number",
    integer,
    min: bound("minimum", "exclusiveMinimum", Math.max) as Bound | undefined,
    max: bound("maximum", "exclusiveMaximum", Math.min) as Bound | undefined,
    multiples: multiple === undefined ? [] : [multiple],
    path,
  };
}

/** A check that a pattern makes, or its opposite. */
export function patternCheck(
  source: string,
  { where, path, not = false }: { where: "anywhere" | "whole"; path: string; not?: boolean },
): TextCheck {
  const regex = parseRegex(source);
  return {
    pattern: not ? undefined : { source, where },
    automaton: () => not ? except(ALL_TEXTS, automatonOf(regex, where)) : automatonOf(regex, where),
    path,
  };
}

function stringOf(schema: SchemaObject, path: string): StringBranch {
  const checks: TextCheck[] = [];
  const text = (value: unknown, at: string) => {
    if (typeof value === "string") return value;
    throw grammarRefused("schema", `${at} is no text`);
  };
  if (schema.pattern !== undefined) {
    const at = `${path}/pattern`;
    checks.push(patternCheck(text(schema.pattern, at), { where: "anywhere", path: at }));
  }
  if (schema.format !== undefined) {
    const format = text(schema.format, `${path}/format`);
    if (Object.hasOwn(FORMATS, format)) {
      checks.push(patternCheck(FORMATS[format], { where: "whole", path: `${path}/format` }));
    } else if (!ANNOTATIONS.has(format)) {
      throw unsupported(
        "format",
        path,
        `${JSON.stringify(format)} is none of ${Object.keys(FORMATS).join(", ")}`,
      );
    }
  }
  if (schema[NOT_PATTERN] !== undefined) {
    const source = schema[NOT_PATTERN] as string;
    checks.push(patternCheck(source, { where: "anywhere", path, not: true }));
  }
  if (schema[NOT_TEXTS] !== undefined) {
    const texts = schema[NOT_TEXTS] as string[];
    checks.push({ automaton: () => except(ALL_TEXTS, textsAutomaton(texts)), path });
  }
  return {
    type: "string",
    least: counted(schema, "minLength", { path, usual: 0 }),
    most: counted(schema, "maxLength", { path, usual: Infinity }),
    checks,
    path,
  };
}

function arrayOf(schema: SchemaObject, path: string): ArrayBranch {
  let rest: [string, unknown] = ["items", schema.items ?? true];
  let prefix = listed(schema, "prefixItems", path);
  if (Array.isArray(schema.items)) { // before draft 2020-12
    prefix = listed(schema, "items", path);
    rest = ["additionalItems", schema.additionalItems ?? true];
  }
  const contains: SchemaNode[] = [];
  if (schema.contains !== undefined) {
    const least = counted(schema, "minContains", { path, usual: 1 });
    if (schema.maxContains !== undefined) throw unsupported("maxContains", path, "leave it out");
    if (least > 1) throw unsupported("minContains", path, "only 0 and 1 are");
    if (least === 1) contains.push(nodeOf(schema.contains, `${path}/contains`));
  }
  const least = counted(schema, "minItems", { path, usual: 0 });
  return {
    type: "array",
    least: contains.length > 0 ? Math.max(1, least) : least,
    most: counted(schema, "maxItems", { path, usual: Infinity }),
    layers: [{
      prefix: prefix.map((part) => nodeOf(part.schema, part.path)),
      rest: nodeOf(rest[1], `${path}/${rest[0]}`),
    }],
    contains: contains.filter((node) => node.length > 0),
    unique: schema.uniqueItems === true,
    path,
  };
}

function objectOf(schema: SchemaObject, path: string): ObjectBranch {
  const properties = mapped(schema, "properties", path)
    .map(([name, part]) => [name, nodeOf(part.schema, part.path)] as const);
  const patterns = mapped(schema, "patternProperties", path).map(([source, part]) => {
    const regex = parseRegex(source);
    const node = nodeOf(part.schema, part.path);
    return { source, automaton: () => automatonOf(regex, "anywhere"), node };
  });
  const required = schema.required === undefined || typeof schema.required === "boolean" // draft 3
    ? []
    : textsOf(schema.required, `${path}/required`);
  const layer = {
    properties: new Map(properties),
    patterns,
    additional: nodeOf(schema.additionalProperties ?? true, `${path}/additionalProperties`),
  };
  const bare = properties.length === 0 && patterns.length === 0 && layer.additional.length === 0;
  return {
    type: "object",
    least: counted(schema, "minProperties", { path, usual: 0 }),
    most: counted(schema, "maxProperties", { path, usual: Infinity }),
    required: new Set(required),
    layers: bare ? [] : [layer],
    names: nodeOf(schema.propertyNames ?? true, `${path}/propertyNames`),
    path,
  };
}
