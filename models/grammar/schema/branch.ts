/**
 * The values that a schema allows, as a union of branches that each have one type.
 *
 * @module
 */
import type { Automaton } from "../regex/mod.ts";
import type { Part } from "./document.ts";

/** Schemas that all hold; none of them: any value. */
export type SchemaNode = readonly Part[];

/** A set of texts, as a pattern or an automaton. */
export interface TextCheck {
  /** The pattern as it was written, where it is one that must match. */
  pattern?: { source: string; where: "anywhere" | "whole" };
  /** The texts. */
  automaton(): Automaton;
  /** The keyword and where it stands, for errors. */
  path: string;
}

/** A number that a value may not pass. */
export interface Bound {
  value: number;
  /** Whether the value itself is excluded. */
  open: boolean;
}

/** Numbers. */
export interface NumberBranch {
  type: "number";
  integer: boolean;
  min?: Bound;
  max?: Bound;
  /** Numbers of which the value is a multiple. */
  multiples: readonly number[];
  path: string;
}

/** Strings of `least` to `most` characters. */
export interface StringBranch {
  type: "string";
  least: number;
  most: number;
  checks: readonly TextCheck[];
  path: string;
}

/** Arrays of `least` to `most` items. */
export interface ArrayBranch {
  type: "array";
  least: number;
  most: number;
  /** Each says what the items must be: the first ones, and all others. All of them hold. */
  layers: readonly { prefix: readonly SchemaNode[]; rest: SchemaNode }[];
  /** Each must hold for at least one item. */
  contains: readonly SchemaNode[];
  unique: boolean;
  path: string;
}

/** What a schema says of an object's properties. */
export interface ObjectLayer {
  properties: ReadonlyMap<string, SchemaNode>;
  patterns: readonly { source: string; automaton: () => Automaton; node: SchemaNode }[];
  /** Properties that have no name and no pattern here. */
  additional: SchemaNode;
}

/** Objects of `least` to `most` properties. */
export interface ObjectBranch {
  type: "object";
  least: number;
  most: number;
  required: ReadonlySet<string>;
  /** All of them hold. */
  layers: readonly ObjectLayer[];
  /** What names of properties must be, as strings. */
  names: SchemaNode;
  path: string;
}

/** Values of one type. */
export type ValueBranch =
  | { type: "null" }
  | { type: "boolean" }
  | { type: "literal"; value: unknown }
  | NumberBranch
  | StringBranch
  | ArrayBranch
  | ObjectBranch;

/** The schemas that the item at `index` must obey. */
export function itemNode({ layers }: ArrayBranch, index: number): SchemaNode {
  return layers.flatMap(({ prefix, rest }) => prefix[index] ?? rest);
}

/** Equal JSON values, whatever the order of their properties. */
export function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b) || a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [x, y] = [Object.keys(a), Object.keys(b)];
  return x.length === y.length && x.every((key) =>
    Object.hasOwn(b, key) &&
    equal((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])
  );
}
