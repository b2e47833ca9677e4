/**
 * Methods and fields of values.
 *
 * @module
 */
import { Arguments } from "./arguments.ts";
import { isText, rawText, sliceText, type Text } from "./marked_text.ts";
import { STRING_METHODS } from "./strings.ts";
import {
  Callable,
  Dict,
  isEqual,
  iterate,
  type JinjaValue,
  listOf,
  Namespace,
  numberOf,
  TemplateError,
  Tuple,
  typeName,
  Undefined,
} from "./values.ts";

const DICT_METHODS: Record<string, (dict: Dict, args: Arguments) => JinjaValue> = {
  get: (dict, args) => dict.get(args.need(0)) ?? args.get(1) ?? null,
  items: (dict) => dict.items().map((item) => new Tuple(item)),
  keys: (dict) => dict.keys(),
  values: (dict) => [...dict.map.values()],
  copy: (dict) => {
    const copy = new Dict();
    for (const [key, value] of dict.items()) copy.set(key, value);
    return copy;
  },
};

const LIST_METHODS: Record<string, (list: readonly JinjaValue[], args: Arguments) => JinjaValue> = {
  index: (list, args) => {
    const at = list.findIndex((item) => isEqual(item, args.need(0)));
    if (at < 0) throw new TemplateError("value is not in list");
    return at;
  },
  count: (list, args) => list.filter((item) => isEqual(item, args.need(0))).length,
  copy: (list) => [...list],
};

/** Methods that change a value, which templates may not call. */
const CHANGING: Record<string, readonly string[]> = {
  dict: ["clear", "pop", "popitem", "setdefault", "update"],
  list: ["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"],
};

/** The method `name` of a value; undefined: it has none. */
function methodOf(value: JinjaValue, name: string): Callable | undefined {
  const bound = <T>(methods: Record<string, (of: T, args: Arguments) => JinjaValue>, of: T) =>
    Object.hasOwn(methods, name)
      ? new Callable((args, named) => methods[name](of, new Arguments(args, named)))
      : undefined;
  if (isText(value)) return bound(STRING_METHODS, value);
  const refused = CHANGING[typeName(value)]?.includes(name);
  if (refused) {
    return new Callable(() => {
      throw new TemplateError(`access to attribute '${name}' of '${typeName(value)}' is unsafe`);
    });
  }
  if (value instanceof Dict) return bound(DICT_METHODS, value);
  const list = listOf(value);
  return list && bound(LIST_METHODS, list);
}

/** `value[key]`; undefined: there is none. */
function itemOf(value: JinjaValue, key: JinjaValue): JinjaValue | undefined {
  if (value instanceof Dict) return value.get(key);
  const index = numberOf(key);
  if (index === undefined) return undefined;
  const list = listOf(value);
  if (list) return list.at(index);
  return isText(value) ? iterate(value).at(index) : undefined;
}

/** `value.name`. Throws {@linkcode TemplateError} where `value` is undefined. */
export function attribute(value: JinjaValue, name: string): JinjaValue {
  if (value instanceof Undefined) throw new TemplateError(`'${value.what}' is undefined`);
  if (value instanceof Namespace) return value.map.get(name) ?? missing(value, name);
  return methodOf(value, name) ?? itemOf(value, name) ?? missing(value, name);
}

/** `value[key]`. Throws {@linkcode TemplateError} where `value` is undefined. */
export function item(value: JinjaValue, key: JinjaValue): JinjaValue {
  if (value instanceof Undefined) throw new TemplateError(`'${value.what}' is undefined`);
  const found = itemOf(value, key);
  if (found !== undefined) return found;
  if (!isText(key)) return new Undefined(`${typeName(value)} object has no element ${String(key)}`);
  return value instanceof Namespace
    ? attribute(value, rawText(key))
    : methodOf(value, rawText(key)) ?? missing(value, rawText(key));
}

const missing = (value: JinjaValue, name: string) =>
  new Undefined(`${typeName(value)} object' has no attribute '${name}`);

/** `value[start:stop:step]`. Throws {@linkcode TemplateError} for what has no slices. */
export function slice(value: JinjaValue, bounds: [number?, number?, number?]): JinjaValue {
  const [start, stop, step = 1] = bounds;
  if (step === 0) throw new TemplateError("slice step cannot be zero");
  if (isText(value)) return sliceOfText(value, bounds);
  const list = listOf(value);
  if (value instanceof Undefined) throw new TemplateError(`'${value.what}' is undefined`);
  if (!list) throw new TemplateError(`'${typeName(value)}' object is not subscriptable`);
  const items = sliceIndices(list.length, start, stop, step).map((i) => list[i]);
  return value instanceof Tuple ? new Tuple(items) : items;
}

function sliceOfText(text: Text, [start, stop, step = 1]: [number?, number?, number?]): JinjaValue {
  const chars = iterate(text) as Text[];
  const indices = sliceIndices(chars.length, start, stop, step);
  if (step !== 1) {
    return STRING_METHODS.join(
      "",
      new Arguments([indices.map((i) => chars[i])], new Map()),
    );
  }
  if (indices.length === 0) return "";
  const units = (n: number) => chars.slice(0, n).reduce((sum, c) => sum + rawText(c).length, 0);
  return sliceText(text, units(indices[0]), units(indices.at(-1)! + 1));
}

/** The indices of a Python slice. */
function sliceIndices(length: number, start?: number, stop?: number, step = 1): number[] {
  const within = (at: number, low: number, high: number) =>
    Math.min(Math.max(at < 0 ? at + length : at, low), high);
  const indices: number[] = [];
  if (step > 0) {
    const end = within(stop ?? length, 0, length);
    for (let i = within(start ?? 0, 0, length); i < end; i += step) indices.push(i);
  } else {
    const end = stop === undefined ? -1 : within(stop, -1, length - 1);
    const begin = start === undefined ? length - 1 : within(start, -1, length - 1);
    for (let i = begin; i > end; i += step) indices.push(i);
  }
  return indices;
}
