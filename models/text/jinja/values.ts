/**
 * Values of a template's run, as Python has them.
 *
 * @module
 */
import { foreign, isText, MarkedText, rawText, type Text } from "./marked_text.ts";

/** A template that cannot go on; the message is what Python or Jinja would say. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

/** A name or field that does not exist. It prints nothing, and is false. */
export class Undefined {
  /** What was looked for, for messages. */
  readonly what: string;

  /** `what` is what was looked for. */
  constructor(what: string) {
    this.what = what;
  }
}

/** A number with a decimal point; integers are plain numbers. */
export class Float {
  /** The number. */
  readonly value: number;

  /** `value` is the number. */
  constructor(value: number) {
    this.value = value;
  }
}

/** A tuple. */
export class Tuple {
  /** Its values. */
  readonly items: readonly JinjaValue[];

  /** `items` are its values. */
  constructor(items: readonly JinjaValue[]) {
    this.items = items;
  }
}

/** What `map`, `select` and `reject` give: values to go through, of no length, and no JSON. */
export class LazyList {
  /** Its values. */
  readonly items: readonly JinjaValue[];

  /** `items` are its values. */
  constructor(items: readonly JinjaValue[]) {
    this.items = items;
  }
}

/** Key of a dictionary. */
export type Key = string | number | boolean | null;

/** A dictionary, in the order in which its keys were set. */
export class Dict {
  /** Values by key. */
  readonly map = new Map<Key, JinjaValue>();
  /** Where keys came from. */
  readonly #keys = new Map<Key, JinjaValue>();

  /** Sets a key, which may be marked. Throws {@linkcode TemplateError} for what is no key. */
  set(key: JinjaValue, value: JinjaValue): void {
    const plain = keyOf(key);
    this.map.set(plain, value);
    if (!this.#keys.has(plain)) this.#keys.set(plain, key);
  }

  /** The value of a key; undefined: it has none. */
  get(key: JinjaValue): JinjaValue | undefined {
    return this.map.get(keyOf(key));
  }

  /** The keys, with their marks. */
  keys(): JinjaValue[] {
    return [...this.#keys.values()];
  }

  /** Keys and values. */
  items(): [JinjaValue, JinjaValue][] {
    return [...this.#keys].map(([plain, key]) => [key, this.map.get(plain)!]);
  }
}

/** Object with attributes: `namespace(...)`, which templates may change, or `loop`. */
export class Namespace {
  /** Values by name. */
  readonly map = new Map<string, JinjaValue>();
}

/** Arguments of a call by name. */
export type NamedArguments = Map<string, JinjaValue>;

/** A function of the template, of Jinja, or a method. */
export class Callable {
  /** Calls it. */
  readonly call: (args: JinjaValue[], named: NamedArguments) => JinjaValue;

  /** `call` takes arguments by position and by name. */
  constructor(call: (args: JinjaValue[], named: NamedArguments) => JinjaValue) {
    this.call = call;
  }
}

/** A value of a template's run. Arrays are lists; `null` is None. */
export type JinjaValue =
  | Undefined
  | null
  | boolean
  | number
  | Float
  | Text
  | JinjaValue[]
  | Tuple
  | LazyList
  | Dict
  | Namespace
  | Callable;

/** The key that a value is. Throws {@linkcode TemplateError} for values that cannot be one. */
export function keyOf(value: JinjaValue): Key {
  if (isText(value)) return rawText(value);
  if (value === null || typeof value === "number" || typeof value === "boolean") return value;
  if (value instanceof Float) return value.value;
  throw new TemplateError(`unhashable type: '${typeName(value)}'`);
}

/** JSON as a value; texts within, keys too, are marked as the request's. */
export function fromJson(json: unknown): JinjaValue {
  if (json === undefined) return new Undefined("a value");
  if (json === null || typeof json === "boolean") return json;
  if (typeof json === "string") return foreign(json);
  if (typeof json === "number") return Number.isInteger(json) ? json : new Float(json);
  if (Array.isArray(json)) return json.map(fromJson);
  const dict = new Dict();
  for (const [key, value] of Object.entries(json as object)) {
    if (value !== undefined) dict.set(foreign(key), fromJson(value));
  }
  return dict;
}

/** Python's name of a value's type, for messages. */
export function typeName(value: JinjaValue): string {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return "int";
  if (isText(value)) return "str";
  if (Array.isArray(value)) return "list";
  if (value instanceof Float) return "float";
  if (value instanceof Tuple) return "tuple";
  if (value instanceof LazyList) return "generator";
  if (value instanceof Dict) return "dict";
  if (value instanceof Undefined) return "Undefined";
  return value instanceof Callable ? "function" : "Namespace";
}

/** Whether a condition holds. */
export function isTrue(value: JinjaValue): boolean {
  if (value === null || value instanceof Undefined) return false;
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return value !== 0;
  if (value instanceof Float) return value.value !== 0;
  if (isText(value)) return rawText(value) !== "";
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  return !(value instanceof Dict) || value.map.size > 0;
}

/** The number that a value is; booleans are 0 and 1. undefined: it is none. */
export function numberOf(value: JinjaValue): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  return value instanceof Float ? value.value : undefined;
}

/** The values that a loop goes through. Throws {@linkcode TemplateError} where there are none. */
export function iterate(value: JinjaValue): readonly JinjaValue[] {
  if (Array.isArray(value)) return value;
  if (value instanceof Tuple || value instanceof LazyList) return value.items;
  if (value instanceof Dict) return value.keys();
  if (value instanceof Undefined) return [];
  if (typeof value === "string") return [...value];
  if (value instanceof MarkedText) {
    let at = 0;
    return [...value.text].map((char) => {
      const piece = new MarkedText(char, value.marks.slice(at, at + char.length));
      at += char.length;
      return piece;
    });
  }
  throw new TemplateError(`'${typeName(value)}' object is not iterable`);
}

/** Whether two values are equal. */
export function isEqual(a: JinjaValue, b: JinjaValue): boolean {
  if (a === b) return true;
  if (isText(a) && isText(b)) return rawText(a) === rawText(b);
  const x = numberOf(a);
  if (x !== undefined) return x === numberOf(b);
  const [left, right] = [listOf(a), listOf(b)];
  if (left && right && typeName(a) === typeName(b)) {
    return left.length === right.length && left.every((value, i) => isEqual(value, right[i]));
  }
  if (a instanceof Dict && b instanceof Dict) {
    return a.map.size === b.map.size && [...a.map].every(([key, value]) => {
      const other = b.map.get(key);
      return other !== undefined && isEqual(value, other);
    });
  }
  return a instanceof Undefined && b instanceof Undefined;
}

/** Values of a list or tuple; undefined: it is neither. */
export function listOf(value: JinjaValue): readonly JinjaValue[] | undefined {
  if (Array.isArray(value)) return value;
  return value instanceof Tuple ? value.items : undefined;
}

/**
 * Negative, 0 or positive, as `a` is less, equal or more. Throws {@linkcode TemplateError} for
 * values without an order.
 */
export function compare(a: JinjaValue, b: JinjaValue, operator = "<"): number {
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined) return x - y;
  if (isText(a) && isText(b)) return compareTexts(rawText(a), rawText(b));
  const [left, right] = [listOf(a), listOf(b)];
  if (left && right && typeName(a) === typeName(b)) {
    for (let i = 0; i < Math.min(left.length, right.length); i++) {
      const order = isEqual(left[i], right[i]) ? 0 : compare(left[i], right[i], operator);
      if (order !== 0) return order;
    }
    return left.length - right.length;
  }
  throw new TemplateError(
    `'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`,
  );
}

/** The order of two texts by code points, as Python has it. */
function compareTexts(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = left[i].codePointAt(0)! - right[i].codePointAt(0)!;
    if (order !== 0) return order;
  }
  return left.length - right.length;
}
