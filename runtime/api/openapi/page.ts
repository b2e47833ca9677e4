/**
 * The description of the API as a page: one file, without scripts and without anything from
 * elsewhere.
 *
 * @module
 */
import type { OpenApiDocument } from "./document.ts";

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin: 2rem 0 .5rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; }
summary { padding: .4rem .7rem; cursor: pointer; }
details > *:not(summary) { margin: .6rem .9rem; }
code { font: 13px/1.4 ui-monospace, monospace; }
.m { display: inline-block; min-width: 4.2rem; font-weight: 600; }
table { border-collapse: collapse; width: calc(100% - 1.8rem); }
td, th { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; border-top: 1px solid var(--soft); }
`;

/** A part of a JSON schema. */
// deno-lint-ignore no-explicit-any -- as deep as JSON schema
type FieldSchema = any;

/** Levels of objects within objects whose fields the page lists. */
const DEPTH = 2;

/** The page of a document, as HTML. */
export function openApiPage(document: OpenApiDocument): string {
  const groups = new Map<string, string[]>();
  for (const [path, item] of Object.entries<OpenApiDocument>(document.paths)) {
    for (const [method, operation] of Object.entries<OpenApiDocument>(item)) {
      const [tag] = operation.tags;
      groups.set(tag, [...groups.get(tag) ?? [], operationHtml(method, path, operation, document)]);
    }
  }
  const { title, version, description } = document.info;
  const sections = [...groups].map(([tag, parts]) => `<h2>${text(tag)}</h2>\n${parts.join("\n")}`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${text(title)} API</title><style>${STYLE}</style></head><body>
<h1>${text(title)} API</h1>
<p>${text(version)} · <a href="/openapi.json">openapi.json</a></p>
<p>${prose(description)}</p>
${sections.join("\n")}
</body></html>
`;
}

function operationHtml(
  method: string,
  path: string,
  operation: OpenApiDocument,
  document: OpenApiDocument,
): string {
  const { parameters = [], requestBody, responses, summary } = operation;
  const rows = [
    ...parameters.map((each: FieldSchema) =>
      row(
        each.name,
        { ...each.schema, description: each.schema.description ?? each.in },
        each.required,
      )
    ),
    ...Object.values<FieldSchema>(requestBody?.content ?? {})
      .flatMap(({ schema }) => fieldRows(schema, document, "", 0)),
  ];
  const table = rows.length === 0
    ? ""
    : `<table><tr><th>field</th><th>type</th><th></th></tr>${rows.join("")}</table>`;
  const takes = Object.keys(requestBody?.content ?? {}).map((type) => `<code>${text(type)}</code>`);
  const gives = Object.entries<FieldSchema>(responses).filter(([status]) => status !== "default")
    .flatMap((
      [status, { content }],
    ) => Object.keys(content).map((type) => `<code>${text(status)} ${text(type)}</code>`));
  return `<details id="${text(operation.operationId)}"><summary>` +
    `<code><span class="m">${method.toUpperCase()}</span>${text(path)}</code> ${prose(summary)}` +
    `</summary>${takes.length > 0 ? `<p>Takes ${takes.join(", ")}</p>` : ""}${table}` +
    `<p>Answers ${gives.join(", ")}</p></details>`;
}

/** Rows of an object's fields, those of objects within it included. */
function fieldRows(
  given: FieldSchema,
  document: OpenApiDocument,
  prefix: string,
  depth: number,
): string[] {
  const schema = resolved(given, document);
  const inner = schema.allOf?.flatMap((part: FieldSchema) =>
    fieldRows(part, document, prefix, depth)
  );
  const own = Object.entries<FieldSchema>(schema.properties ?? {}).flatMap(([name, field]) => {
    const whole = resolved(field, document);
    const within = [whole, ...(whole.anyOf ?? [])].map((part) => resolved(part, document))
      .find(({ properties }) => properties);
    const path = prefix + name;
    const needed = schema.required?.includes(name) ?? false;
    return [
      row(path, whole, needed),
      ...(within && depth < DEPTH ? fieldRows(within, document, `${path}.`, depth + 1) : []),
    ];
  });
  return [...inner ?? [], ...own];
}

function row(name: string, schema: FieldSchema, needed: boolean): string {
  return `<tr><td><code>${text(name)}</code>${needed ? " *" : ""}</td><td>${
    text(typeText(schema))
  }` +
    `</td><td>${prose(schema.description ?? "")}</td></tr>`;
}

/** A schema in a few words: `integer 1 to 8`, `"a" or "b"`. */
function typeText(schema: FieldSchema): string {
  if (schema.enum) return schema.enum.map((value: unknown) => JSON.stringify(value)).join(" or ");
  if ("const" in schema) return JSON.stringify(schema.const);
  const parts: FieldSchema[] | undefined = schema.anyOf ?? schema.oneOf;
  if (parts) {
    const kinds = parts.filter(({ type }) => type !== "null").map(typeText);
    return [...new Set(kinds)].join(" or ");
  }
  const type = [schema.type ?? "any"].flat().join(" or ");
  if (type === "array") return `array of ${typeText(schema.items ?? {})}`;
  const { minimum: min, maximum: max } = schema;
  const bounded = [min, max].map((bound) => bound !== undefined && Math.abs(bound) < 2 ** 53 - 1);
  if (bounded[0] && bounded[1]) return `${type} ${min} to ${max}`;
  return bounded[0] ? `${type} from ${min}` : bounded[1] ? `${type} to ${max}` : type;
}

function resolved(schema: FieldSchema, document: OpenApiDocument): FieldSchema {
  const name = /^#\/components\/schemas\/(.*)$/.exec(schema.$ref ?? "")?.[1];
  return name === undefined ? schema : document.components.schemas[name];
}

/** Text with its code spans marked. */
function prose(words: string): string {
  return text(words).replaceAll(/`([^`]*)`/g, "<code>$1</code>");
}

function text(value: unknown): string {
  return String(value).replaceAll(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
