/**
 * Jinja's tests: `value is NAME`.
 *
 * @module
 */
import { isText, rawText } from "./marked_text.ts";
import { binary, isIn } from "./operators.ts";
import {
  Callable,
  Dict,
  Float,
  isEqual,
  type JinjaValue,
  listOf,
  numberOf,
  TemplateError,
  Undefined,
} from "./values.ts";

type Test = (value: JinjaValue, other: JinjaValue) => boolean;

const isInteger = (value: JinjaValue) => typeof value === "number";
const isSequence = (value: JinjaValue) =>
  isText(value) || listOf(value) !== undefined || value instanceof Dict ||
  value instanceof Undefined;

function remainder(value: JinjaValue, by: JinjaValue): number {
  const result = binary("%", value, by);
  return numberOf(result)!;
}

/** The tests by name. */
const TESTS: Record<string, Test> = {
  boolean: (value) => typeof value === "boolean",
  callable: (value) => value instanceof Callable,
  defined: (value) => !(value instanceof Undefined),
  undefined: (value) => value instanceof Undefined,
  divisibleby: (value, by) => remainder(value, by) === 0,
  even: (value) => remainder(value, 2) === 0,
  odd: (value) => remainder(value, 2) !== 0,
  false: (value) => value === false,
  true: (value) => value === true,
  none: (value) => value === null,
  integer: isInteger,
  float: (value) => value instanceof Float,
  number: (value) => numberOf(value) !== undefined,
  string: isText,
  mapping: (value) => value instanceof Dict,
  iterable: isSequence,
  sequence: isSequence,
  lower: (value) => isText(value) && rawText(value) === rawText(value).toLowerCase(),
  upper: (value) => isText(value) && rawText(value) === rawText(value).toUpperCase(),
  in: isIn,
  sameas: (value, other) => value === other,
  eq: isEqual,
  equalto: isEqual,
  "==": isEqual,
  ne: (value, other) => !isEqual(value, other),
  "!=": (value, other) => !isEqual(value, other),
  lt: (value, other) => binary("<", value, other) === true,
  lessthan: (value, other) => binary("<", value, other) === true,
  le: (value, other) => binary("<=", value, other) === true,
  gt: (value, other) => binary(">", value, other) === true,
  greaterthan: (value, other) => binary(">", value, other) === true,
  ge: (value, other) => binary(">=", value, other) === true,
};

/** Whether `value is name(other)`. Throws {@linkcode TemplateError} for an unknown test. */
export function holds(name: string, value: JinjaValue, other: JinjaValue = null): boolean {
  if (!Object.hasOwn(TESTS, name)) throw new TemplateError(`No test named '${name}'`);
  return TESTS[name](value, other);
}
