/**
 * Works out what the schemas of a document allow: combines them into branches, tells which values a
 * branch allows, and whether it allows any.
 *
 * @module
 */
import { grammarRefused, tooLarge, unsupported } from "../errors.ts";
import { acceptsText, ALL_TEXTS, type Automaton, both, isEmpty, ofLength } from "../regex/mod.ts";
import {
  type ArrayBranch,
  equal,
  itemNode,
  type ObjectBranch,
  type SchemaNode,
  type StringBranch,
  type TextCheck,
  type ValueBranch,
} from "./branch.ts";
import { branchesOf, listed, mapped, nodeOf, textsOf, TYPES } from "./branches_of.ts";
import {
  checked,
  type JsonSchema,
  type Part,
  type SchemaDocument,
  type SchemaObject,
} from "./document.ts";
import { intersectBranches } from "./intersect.ts";
import { saysSomething } from "./keywords.ts";
import { negate } from "./negate.ts";
import { bounded } from "./number.ts";
import { withoutUnevaluated } from "./unevaluated.ts";

/** Most branches of a schema: combinations multiply. */
const MOST_BRANCHES = 10_000;

/** Most steps of working out a document. */
const MOST_STEPS = 300_000;

/** See the module's text. */
export class Schemas {
  readonly document: SchemaDocument;
  readonly #branches = new Map<string, ValueBranch[]>();
  readonly #under = new Set<string>();
  readonly #alive = new Map<string, boolean>();
  readonly #asked = new Set<string>();
  /** A node that is under way was met: what does not hold may hold later. */
  #assumed = false;
  #steps = 0;
  readonly #automata = new WeakMap<TextCheck, Automaton>();
  readonly #texts = new WeakMap<StringBranch, Automaton>();

  constructor(document: SchemaDocument) {
    this.document = document;
  }

  /** Equal for equal nodes. */
  keyOf(node: SchemaNode): string {
    const ids = node.map(({ schema }) =>
      typeof schema === "boolean" ? String(schema) : this.document.idOf(schema)
    );
    return [...new Set(ids)].join();
  }

  /** The branches of schemas that all hold. Throws group `model`. */
  expand(parts: SchemaNode): ValueBranch[] {
    const node = parts.length < 2
      ? parts
      : [...new Map(parts.map((part) => [part.schema, part])).values()];
    const key = this.keyOf(node);
    let branches = this.#branches.get(key);
    if (branches) return branches;
    if (this.#under.has(key)) {
      const { path } = node[0];
      throw grammarRefused(
        "schema",
        `${path || "its top"} refers to itself without a value between`,
      );
    }
    this.#under.add(key);
    if (node.length === 1) branches = this.#step(this.#ofPart(node[0]));
    else {
      branches = this.#anything;
      for (const part of node) branches = this.#meet(branches, this.expand([part]), part.path);
    }
    this.#under.delete(key);
    this.#branches.set(key, branches);
    return branches;
  }

  readonly #anything: ValueBranch[] = branchesOf({}, "");

  #step(branches: ValueBranch[], path = ""): ValueBranch[] {
    if (++this.#steps > MOST_STEPS) throw tooLarge("combinations", this.#steps, MOST_STEPS);
    if (branches.length > MOST_BRANCHES) {
      throw tooLarge(
        `combinations of alternatives at ${path || "its top"}`,
        branches.length,
        MOST_BRANCHES,
      );
    }
    return branches;
  }

  #meet(a: readonly ValueBranch[], b: readonly ValueBranch[], path?: string): ValueBranch[] {
    const met: ValueBranch[] = [];
    for (const x of a) {
      for (const y of b) {
        const common = this.#intersect(x, y);
        if (common) met.push(common);
      }
      this.#step(met, path);
    }
    return met;
  }

  #intersect(a: ValueBranch, b: ValueBranch): ValueBranch | undefined {
    return intersectBranches(a, b, (branch, value) => this.allowsBranch(branch, value));
  }

  /** The branches of one schema, with what it combines of others. */
  #ofPart(part: Part): ValueBranch[] {
    if (part.schema === true) return this.#anything;
    if (part.schema === false) return [];
    const { path } = part;
    if (!saysSomething(part.schema, path)) return this.#anything;
    const schema = withoutUnevaluated(part.schema, path);
    let branches = branchesOf(schema, path);
    if (schema.const !== undefined || Object.hasOwn(schema, "const")) {
      branches = this.#meet([{ type: "literal", value: schema.const }], branches);
    }
    if (schema.enum !== undefined) {
      if (!Array.isArray(schema.enum)) throw grammarRefused("schema", `${path}/enum is no list`);
      if (schema.enum.length > 10_000) {
        throw tooLarge("values of an enum", schema.enum.length, 10_000);
      }
      const base = branches;
      branches = schema.enum.filter((value) => base.some((b) => this.allowsBranch(b, value)))
        .map((value) => ({ type: "literal", value }));
    }
    const and = (other: readonly ValueBranch[]) => branches = this.#meet(branches, other, path);
    if (schema.$ref !== undefined) and(this.expand([this.document.resolve(schema.$ref, part)]));
    for (const each of listed(schema, "allOf", path)) and(this.expand([each]));
    if (schema.anyOf !== undefined) {
      and(this.#distinct(listed(schema, "anyOf", path).flatMap((each) => this.expand([each]))));
    }
    if (schema.oneOf !== undefined) branches = this.#oneOf(branches, schema, part);
    if (schema.not !== undefined) {
      branches = this.#without(branches, { schema: checked(schema.not, path), path }, "not");
    }
    if (schema.if !== undefined) branches = this.#conditional(branches, schema, part);
    for (const implied of implications(schema, path)) {
      and([
        ...this.expand([{ schema: absent(implied.name), path }]),
        ...this.expand([{ schema: present(implied.name), path }, ...implied.node]),
      ]);
    }
    return branches;
  }

  /** Branches without literals that are there twice. */
  #distinct(branches: ValueBranch[]): ValueBranch[] {
    const seen = new Set<string>();
    return branches.filter((branch) => {
      if (branch.type !== "literal") return true;
      const text = JSON.stringify(branch.value);
      return !seen.has(text) && seen.add(text);
    });
  }

  /**
   * What a schema forbids of these values. Throws `model/schema_unsupported` where nothing of it can be
   * said.
   */
  #without(branches: readonly ValueBranch[], part: Part, keyword: string): ValueBranch[] {
    const { nodes, whole } = negate(part, this.document);
    const opposite = this.#step(nodes.flatMap((node) => this.expand(node)), part.path);
    const left = this.#meet(branches, opposite, part.path);
    if (whole || left.some((branch) => this.inhabited(branch))) return left;
    throw unsupported(keyword, part.path, "what it forbids cannot be said by a grammar");
  }

  /** Values that exactly one alternative allows. */
  #oneOf(base: ValueBranch[], schema: SchemaObject, { path }: Part): ValueBranch[] {
    const options = listed(schema, "oneOf", path);
    const allowed = options.map((option) => this.#meet(base, this.expand([option]), path));
    return this.#step(
      allowed.flatMap((mine, i) => {
        let left = mine;
        allowed.forEach((others, j) => {
          if (j === i) return;
          const [apart, mixed] = [[] as ValueBranch[], [] as ValueBranch[]];
          for (const branch of left) {
            const meets = others.some((other) => {
              const common = this.#intersect(branch, other);
              return common !== undefined && this.inhabited(common);
            });
            (meets ? mixed : apart).push(branch);
          }
          if (mixed.length === 0) return;
          left = [...apart, ...this.#without(mixed, { ...options[j], path }, "oneOf")];
        });
        return left;
      }),
      path,
    );
  }

  #conditional(base: ValueBranch[], schema: SchemaObject, { path }: Part): ValueBranch[] {
    const part = (keyword: string): Part => ({
      schema: checked(schema[keyword] ?? true, `${path}/${keyword}`),
      path: `${path}/${keyword}`,
    });
    const then = this.expand([part("if"), part("then")]);
    const otherwise = this.#meet(base, this.expand([part("else")]), path);
    return [
      ...this.#meet(base, then, path),
      ...this.#without(otherwise, { ...part("if"), path }, "if"),
    ];
  }

  /** Do these schemas allow a value? */
  allows(node: SchemaNode, value: unknown): boolean {
    return node.length === 0 ||
      this.expand(node).some((branch) => this.allowsBranch(branch, value));
  }

  /** Does this branch allow a value? */
  allowsBranch(branch: ValueBranch, value: unknown): boolean {
    if (++this.#steps > MOST_STEPS) throw tooLarge("combinations", this.#steps, MOST_STEPS);
    switch (branch.type) {
      case "literal":
        return equal(branch.value, value);
      case "null":
        return value === null;
      case "boolean":
        return typeof value === "boolean";
      case "number":
        return typeof value === "number" && bounded(branch, value);
      case "string": {
        if (typeof value !== "string") return false;
        const length = [...value].length;
        return length >= branch.least && length <= branch.most &&
          branch.checks.every((check) => acceptsText(this.automatonOf(check), value));
      }
      case "array":
        return Array.isArray(value) && this.#allowsItems(branch, value);
      case "object":
        return typeof value === "object" && value !== null && !Array.isArray(value) &&
          this.#allowsProperties(branch, value as Record<string, unknown>);
    }
  }

  #allowsItems(branch: ArrayBranch, items: unknown[]): boolean {
    return items.length >= branch.least && items.length <= branch.most &&
      items.every((item, i) => this.allows(itemNode(branch, i), item)) &&
      branch.contains.every((node) => items.some((item) => this.allows(node, item))) &&
      !(branch.unique && items.some((a, i) => items.slice(0, i).some((b) => equal(a, b))));
  }

  #allowsProperties(branch: ObjectBranch, value: Record<string, unknown>): boolean {
    const names = Object.keys(value);
    return names.length >= branch.least && names.length <= branch.most &&
      [...branch.required].every((name) => Object.hasOwn(value, name)) &&
      names.every((name) =>
        this.allows(branch.names, name) && this.allows(this.propertyNode(branch, name), value[name])
      );
  }

  /** The schemas that a property's value must obey. */
  propertyNode({ layers }: ObjectBranch, name: string): SchemaNode {
    return layers.flatMap(({ properties, patterns, additional }) => {
      const own = properties.get(name);
      const matching = patterns.filter(({ automaton }) => acceptsText(automaton(), name));
      if (own === undefined && matching.length === 0) return additional;
      return [...own ?? [], ...matching.flatMap(({ node }) => node)];
    });
  }

  /** The automaton of a check. */
  automatonOf(check: TextCheck): Automaton {
    let automaton = this.#automata.get(check);
    if (!automaton) this.#automata.set(check, automaton = check.automaton());
    return automaton;
  }

  /** The texts that a branch of strings allows. */
  textsOf(branch: StringBranch): Automaton {
    let texts = this.#texts.get(branch);
    if (!texts) {
      texts = branch.checks.reduce((all, check) => both(all, this.automatonOf(check)), ALL_TEXTS);
      const { least, most } = branch;
      if (least > 0 || most < Infinity) texts = both(texts, ofLength(least, most));
      this.#texts.set(branch, texts);
    }
    return texts;
  }

  /** Is there a value that the schemas allow, one that ends? */
  inhabitedNode(node: SchemaNode): boolean {
    if (node.length === 0) return true;
    const key = this.keyOf(node);
    const known = this.#alive.get(key);
    if (known !== undefined) return known;
    if (this.#asked.has(key)) {
      this.#assumed = true; // a value within itself: look for another one
      return false;
    }
    this.#asked.add(key);
    const before = this.#assumed;
    this.#assumed = false;
    const alive = this.expand(node).some((branch) => this.inhabited(branch));
    this.#asked.delete(key);
    // A "no" that rests on a question under way may not hold elsewhere.
    if (alive || !this.#assumed || this.#asked.size === 0) this.#alive.set(key, alive);
    this.#assumed = before || this.#assumed && !alive;
    return alive;
  }

  /** Is there a value that the branch allows? */
  inhabited(branch: ValueBranch): boolean {
    if (++this.#steps > MOST_STEPS) throw tooLarge("combinations", this.#steps, MOST_STEPS);
    switch (branch.type) {
      case "number":
        return bounded(branch, undefined);
      case "string":
        if (branch.least > branch.most) return false;
        return branch.checks.length === 0 || !isEmpty(this.textsOf(branch));
      case "array": {
        if (branch.least > branch.most) return false;
        const longest = Math.max(0, ...branch.layers.map(({ prefix }) => prefix.length)) + 1;
        const needed = Math.min(branch.least, longest);
        return Array.from({ length: needed }, (_, i) => itemNode(branch, i))
          .every((node) => this.inhabitedNode(node)) &&
          branch.contains.every((node) => this.inhabitedNode(node));
      }
      case "object":
        return branch.least <= branch.most && branch.required.size <= branch.most &&
          [...branch.required].every((name) =>
            this.allows(branch.names, name) && this.inhabitedNode(this.propertyNode(branch, name))
          );
      default:
        return true;
    }
  }
}

/** What a property's presence implies. */
function implications(schema: SchemaObject, path: string): { name: string; node: SchemaNode }[] {
  const found: { name: string; node: SchemaNode }[] = [];
  const needed = (name: string, names: unknown, at: string) => {
    const required = textsOf(names, at);
    if (required.length > 0) found.push({ name, node: [{ schema: { required }, path: at }] });
  };
  for (const keyword of ["dependentRequired", "dependencies"]) {
    const map = schema[keyword];
    if (map === undefined) continue;
    if (typeof map !== "object" || map === null) {
      throw grammarRefused("schema", `${path}/${keyword} is no object`);
    }
    for (const [name, value] of Object.entries(map)) {
      const at = `${path}/${keyword}/${name}`;
      if (Array.isArray(value) || typeof value === "string") needed(name, [value].flat(), at);
      else found.push({ name, node: nodeOf(value, at) });
    }
  }
  for (const [name, part] of mapped(schema, "dependentSchemas", path)) {
    found.push({ name, node: nodeOf(part.schema, part.path) });
  }
  return found;
}

const absent = (name: string): JsonSchema => ({ properties: { [name]: false } });
const present = (name: string): JsonSchema => ({
  type: [...TYPES].filter((type) => type === "object"),
  required: [name],
});
