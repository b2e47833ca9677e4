/**
 * docs/api-fields.md, made from the schemas with which the API checks requests.
 *
 * @module
 */
import { z } from "zod";
import { type Endpoint, ENDPOINTS } from "../../runtime/api/endpoints.ts";

/** A JSON schema, as far as it is read here. */
interface SchemaNode {
  type?: string | string[];
  description?: string;
  enum?: unknown[];
  const?: unknown;
  anyOf?: SchemaNode[];
  oneOf?: SchemaNode[];
  items?: SchemaNode;
  properties?: Record<string, SchemaNode>;
  required?: string[];
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  maxItems?: number;
  maxLength?: number;
  not?: unknown;
}

/** Fields whose own fields have rows. */
const OPENED = ["orrery", "stream_options", "reasoning", "text"];

const INTRODUCTION = `# Fields of requests

Made from the schemas with which the API checks requests, by
\`deno run -A tests/write_api_fields.ts\`. A field in **bold** is needed. \`null\` means left out.
Unknown fields are ignored, but not in \`orrery\`. Fields that are "not supported" are refused by their
names, unless they are empty.
`;

/** The whole page as markdown, not yet formatted. */
export function fieldsPage(): string {
  return [INTRODUCTION, ...ENDPOINTS.map(section)].join("\n");
}

function section({ path, dialect, does, body }: Endpoint): string {
  const schema = z.toJSONSchema(body, { io: "input", unrepresentable: "any" }) as SchemaNode;
  const rows = rowsOf(schema);
  return [
    `## \`POST ${path}\``,
    "",
    `${dialect}'s; it ${does}.`,
    "",
    "| field | takes | |",
    "| --- | --- | --- |",
    ...rows.map((cells) => `| ${cells.join(" | ")} |`),
    "",
  ].join("\n");
}

/** The rows of an object's fields. Throws where a field has no description. */
function rowsOf({ properties = {}, required = [] }: SchemaNode, prefix = ""): string[][] {
  return Object.entries(properties).flatMap(([name, node]) => {
    const description = descriptionOf(node);
    if (description === undefined) throw new Error(`${prefix}${name} has no description`);
    const label = `\`${prefix}${name}\``;
    const row = [required.includes(name) ? `**${label}**` : label, takes(node), description];
    const object = [node, ...node.anyOf ?? []].find((n) => n.properties);
    return OPENED.includes(name) && object ? [row, ...rowsOf(object, `${prefix}${name}.`)] : [row];
  });
}

/** A field that may be null has its description within. */
const descriptionOf = (node: SchemaNode): string | undefined =>
  node.description ?? node.anyOf?.map(descriptionOf).find((text) => text !== undefined);

/** What a field takes, in words. */
function takes(node: SchemaNode): string {
  const parts = node.anyOf ?? node.oneOf;
  if (parts) {
    const texts = parts.filter(({ type }) => type !== "null").map(takes);
    return [...new Set(texts)].join(" or ");
  }
  if (Array.isArray(node.type)) {
    return node.type.filter((type) => type !== "null")
      .map((type) => takes({ ...node, type })).join(" or ");
  }
  if (node.enum) return node.enum.map(literal).join(", ");
  if (node.const !== undefined) return literal(node.const);
  switch (node.type) {
    case "integer":
      return `whole number${range(node)}`;
    case "number":
      return `number${range(node)}`;
    case "array":
      if (node.maxItems === 0) return "nothing";
      return `list of ${plural(node.items)}${
        node.maxItems === undefined ? "" : `, at most ${node.maxItems}`
      }`;
    case "string":
      return node.maxLength === 0 ? "nothing" : "text";
    case "null":
      return "nothing";
    case "boolean":
      return "true or false";
    default:
      return node.type ?? "anything";
  }
}

const literal = (value: unknown) => `\`${value === "" ? '""' : String(value)}\``;

const plural = (node: SchemaNode = {}): string => {
  const words = { string: "texts", integer: "whole numbers", number: "numbers", array: "lists" };
  return words[node.type as keyof typeof words] ?? (node.const ? takes(node) : "objects");
};

/** Bounds of a number; those of a 53-bit integer are none. */
function range({ minimum, exclusiveMinimum, maximum }: SchemaNode): string {
  const known = (n: number | undefined) =>
    n !== undefined && Math.abs(n) < Number.MAX_SAFE_INTEGER ? n : undefined;
  const [low, above, high] = [minimum, exclusiveMinimum, maximum].map(known);
  const from = low !== undefined ? `from ${low}` : above !== undefined ? `above ${above}` : "";
  const to = high !== undefined ? `to ${high}` : "";
  const text = [from, to].filter((part) => part !== "").join(" ");
  return text === "" ? "" : ` ${text}`;
}

/** Markdown without what a formatter may change: spaces, and dashes of tables. */
export const unformatted = (text: string): string =>
  text.replaceAll(/-{3,}/g, "---").replaceAll(/\s+/g, " ").trim();
