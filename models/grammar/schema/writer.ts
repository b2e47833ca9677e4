/**
 * Writes what a schema allows as a grammar of JSON texts.
 *
 * @module
 */
import { literal, type Rules } from "../ebnf.ts";
import { grammarRefused } from "../errors.ts";
import { writeArray } from "./array.ts";
import type { SchemaNode, ValueBranch } from "./branch.ts";
import { writeNumber } from "./number.ts";
import { writeObject } from "./object.ts";
import type { Schemas } from "./schemas.ts";
import { writeString } from "./string.ts";
import { blank, enclosed, gap, type Writing } from "./writing.ts";

/** See the module's text. */
export class SchemaWriter implements Writing {
  /** The rules that are written. */
  readonly rules: Rules;
  /** What the schemas allow. */
  readonly schemas: Schemas;
  readonly #nodes = new Map<string, string>();

  /** Are long limits of strings written? */
  readonly exact: boolean;
  /** Was a long limit left out? */
  leftOut = false;

  /** Are properties left out that the schema neither names nor describes? */
  readonly closed: boolean;
  /** States of automata that tell the names of such properties from those that the schema names. */
  nameStates = 0;

  constructor(
    schemas: Schemas,
    rules: Rules,
    { exact = false, closed = false }: { exact?: boolean; closed?: boolean } = {},
  ) {
    this.exact = exact;
    this.closed = closed;
    this.schemas = schemas;
    this.rules = rules;
  }

  /** The rule of a whole schema. Throws `model/grammar_invalid` where it allows no value. */
  root(): string {
    const node = [this.schemas.document.root];
    if (!this.schemas.inhabitedNode(node)) {
      throw grammarRefused("schema", "no value is valid by it; look for what contradicts itself");
    }
    return this.node(node);
  }

  /** The rule of a node that allows a value. */
  node(node: SchemaNode): string {
    const key = this.schemas.keyOf(node);
    let name = this.#nodes.get(key);
    if (name === undefined) {
      name = this.rules.reserve();
      this.#nodes.set(key, name);
      const branches = this.schemas.expand(node).filter((branch) => this.schemas.inhabited(branch));
      this.rules.set(
        name,
        [...new Set(branches.map((branch) => this.#branch(branch)))].join(" | "),
      );
    }
    return name;
  }

  #branch(branch: ValueBranch): string {
    switch (branch.type) {
      case "null":
        return `"null"`;
      case "boolean":
        return this.rules.of(`"true" | "false"`);
      case "literal":
        return this.#value(branch.value);
      case "number":
        return writeNumber(branch, this.rules);
      case "string":
        return writeString(branch, this);
      case "array":
        return writeArray(branch, this);
      case "object":
        return writeObject(branch, this);
    }
  }

  /** A value with the blanks that are allowed in it. */
  #value(value: unknown): string {
    if (typeof value !== "object" || value === null) return literal(JSON.stringify(value));
    const parts = Array.isArray(value)
      ? value.map((item) => this.#value(item))
      : Object.entries(value).map(([name, item]) =>
        `${literal(`${JSON.stringify(name)}:`)} ${gap(this.rules)} ${this.#value(item)}`
      );
    const brackets = Array.isArray(value) ? "[]" : "{}";
    return this.rules.of(enclosed(this.rules, brackets, parts.join(` "," ${blank(this.rules)} `)));
  }
}
