/**
 * A JSON schema as a document: its parts, and what its references name.
 *
 * @module
 */
import { grammarRefused, tooLarge, unsupported } from "../errors.ts";

/** A schema as JSON. Symbols are keywords that only this room writes. */
export type JsonSchema = boolean | SchemaObject;

/** A schema that is no boolean. */
export type SchemaObject = { readonly [keyword: string | symbol]: unknown };

/** A schema and where it stands, as a JSON pointer. */
export interface Part {
  schema: JsonSchema;
  path: string;
}

/** Deepest nesting of a schema, and most parts of it. */
const MOST_DEPTH = 100;
const MOST_PARTS = 50_000;

/** Keywords whose value is data, not a schema. */
const DATA = new Set(["enum", "const", "default", "examples", "example"]);
/** Keywords whose value maps names, which are no keywords, to schemas. */
const MAPS = new Set([
  ...[
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
    "dependencies",
  ],
]);

/** See the module's text. */
export class SchemaDocument {
  /** The whole schema. */
  readonly root: Part;
  /** Schemas by the absolute URI of their `$id` or anchor. */
  readonly #named = new Map<string, Part>();
  /** The resource that each schema belongs to: the nearest one above it with an `$id`. */
  readonly #resources = new Map<object, { uri: string; part: Part }>();
  readonly #ids = new Map<object, number>();
  #parts = 0;

  /** Reads the names of a schema. Throws `model/grammar_too_large` and `model/grammar_invalid`. */
  constructor(schema: unknown) {
    this.root = { schema: checked(schema, ""), path: "" };
    this.#read(schema, "", undefined, 0);
  }

  /** A number of this schema object, equal for the same object only. */
  idOf(schema: object): number {
    let id = this.#ids.get(schema);
    if (id === undefined) this.#ids.set(schema, id = this.#ids.size);
    return id;
  }

  /** The schema that a `$ref` of `from` names. Throws `model/schema_unsupported` for one elsewhere. */
  resolve(ref: unknown, { schema, path }: Part): Part {
    const at = `${path}/$ref`;
    if (typeof ref !== "string") throw grammarRefused("schema", `${at} is no text`);
    const resource = this.#resources.get(schema as object) ?? { uri: "", part: this.root };
    const [uri, fragment = ""] = ref.split("#", 2);
    let target: Part | undefined = resource.part;
    if (uri !== "") {
      target = this.#named.get(absolute(uri, resource.uri));
      if (!target) {
        throw unsupported("$ref", path, `${JSON.stringify(ref)} is not a part of this schema`);
      }
    }
    if (fragment === "") return target;
    if (!fragment.startsWith("/")) {
      const base = uri === "" ? resource.uri : absolute(uri, resource.uri);
      const anchored = this.#named.get(`${base}#${fragment}`);
      if (!anchored) throw grammarRefused("schema", `${at}: there is no anchor ${fragment}`);
      return anchored;
    }
    let value: unknown = target.schema;
    for (const step of fragment.slice(1).split("/")) {
      const name = decoded(step);
      const has = typeof value === "object" && value !== null && Object.hasOwn(value, name);
      if (!has) throw grammarRefused("schema", `${at}: there is no ${JSON.stringify(ref)}`);
      value = (value as Record<string, unknown>)[name];
    }
    return { schema: checked(value, fragment), path: target.path + fragment };
  }

  #read(
    value: unknown,
    path: string,
    parent: { uri: string; part: Part } | undefined,
    depth: number,
  ) {
    if (typeof value !== "object" || value === null) return;
    if (depth > MOST_DEPTH) throw tooLarge("levels", depth, MOST_DEPTH);
    if (++this.#parts > MOST_PARTS) throw tooLarge("parts", this.#parts, MOST_PARTS);
    if (Array.isArray(value)) {
      value.forEach((each, i) => this.#read(each, `${path}/${i}`, parent, depth + 1));
      return;
    }
    const schema = value as SchemaObject;
    const part = { schema, path };
    let resource = parent ?? { uri: "", part };
    const id = schema.$id ?? (parent === undefined ? schema.id : undefined);
    if (typeof id === "string" && !id.startsWith("#")) {
      const uri = absolute(id.replace(/#$/, ""), resource.uri);
      resource = { uri, part };
      this.#named.set(uri, part);
    }
    this.#resources.set(schema, resource);
    for (
      const anchor of [schema.$anchor, typeof id === "string" && id.startsWith("#") && id.slice(1)]
    ) {
      if (typeof anchor === "string") this.#named.set(`${resource.uri}#${anchor}`, part);
    }
    for (const [name, child] of Object.entries(schema)) {
      const at = `${path}/${escaped(name)}`;
      if (DATA.has(name)) continue;
      if (MAPS.has(name) && typeof child === "object" && child !== null) {
        for (const [key, each] of Object.entries(child)) {
          this.#read(each, `${at}/${escaped(key)}`, resource, depth + 1);
        }
      } else this.#read(child, at, resource, depth + 1);
    }
  }
}

/** A value as a schema. Throws `model/grammar_invalid`. */
export function checked(schema: unknown, path: string): JsonSchema {
  if (typeof schema === "boolean") return schema;
  if (typeof schema === "object" && schema !== null && !Array.isArray(schema)) {
    return schema as SchemaObject;
  }
  throw grammarRefused("schema", `${path || "its top"} is neither an object nor a boolean`);
}

/** A name as a step of a JSON pointer. */
export function escaped(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function decoded(step: string): string {
  let text = step;
  try {
    text = decodeURIComponent(step);
  } catch {
    // It has a percent sign of its own.
  }
  return text.replaceAll("~1", "/").replaceAll("~0", "~");
}

function absolute(uri: string, base: string): string {
  return URL.parse(uri, base || "schema:/")?.href ?? uri;
}
