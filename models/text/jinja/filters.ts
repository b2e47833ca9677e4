/**
 * Jinja's filters: `value | NAME(arguments)`.
 *
 * @module
 */
import { type Arguments, NONE } from "./arguments.ts";
import { concat, isText, joinTexts, marksOf, rawText, SafeText, type Text } from "./marked_text.ts";
import { attribute, item, slice } from "./methods.ts";
import { binary } from "./operators.ts";
import { toJson, toText } from "./python_text.ts";
import { capitalize, escapeHtml, replaceText, STRING_METHODS, strip, title } from "./strings.ts";
import { holds } from "./tests.ts";
import {
  compare,
  Dict,
  Float,
  isEqual,
  isTrue,
  iterate,
  type JinjaValue,
  LazyList,
  listOf,
  numberOf,
  TemplateError,
  Tuple,
  typeName,
  Undefined,
} from "./values.ts";

type Filter = (value: JinjaValue, args: Arguments) => JinjaValue;

/** The value at a path such as `function.name` or `0`. */
function atPath(value: JinjaValue, path: JinjaValue): JinjaValue {
  if (typeof path === "number") return item(value, path);
  const parts = rawText(toText(path)).split(".");
  return parts.reduce<JinjaValue>(
    (of, name) => /^\d+$/.test(name) ? item(of, Number(name)) : item(of, name),
    value,
  );
}

function lengthOf(value: JinjaValue): number {
  if (isText(value)) return [...rawText(value)].length;
  if (value instanceof Dict) return value.map.size;
  if (value instanceof Undefined) return 0;
  const list = listOf(value);
  if (!list) throw new TemplateError(`object of type '${typeName(value)}' has no len()`);
  return list.length;
}

/** What values are ordered by: texts without case unless that is asked for. */
const orderKey = (value: JinjaValue, caseSensitive: boolean): JinjaValue =>
  isText(value) && !caseSensitive ? rawText(value).toLowerCase() : value;

function sorted(values: readonly JinjaValue[], args: Arguments): JinjaValue[] {
  const caseSensitive = isTrue(args.get(1, "case_sensitive") ?? false);
  const path = args.get(2, "attribute") ?? null;
  const key = (value: JinjaValue) =>
    orderKey(path === null ? value : atPath(value, path), caseSensitive);
  const sign = isTrue(args.get(0, "reverse") ?? false) ? -1 : 1;
  return [...values].sort((a, b) => sign * compare(key(a), key(b)));
}

function dictSorted(value: JinjaValue, args: Arguments): JinjaValue {
  if (!(value instanceof Dict)) throw new TemplateError("dictsort needs a dictionary");
  const caseSensitive = isTrue(args.get(0, "case_sensitive") ?? false);
  const by = rawText(args.text(1, "by") ?? "key") === "value" ? 1 : 0;
  const sign = isTrue(args.get(2, "reverse") ?? false) ? -1 : 1;
  return value.items()
    .sort((a, b) => sign * compare(orderKey(a[by], caseSensitive), orderKey(b[by], caseSensitive)))
    .map((entry) => new Tuple(entry));
}

/** `select`, `reject`, `selectattr`, `rejectattr`. */
function chosen(wanted: boolean, byAttribute: boolean): Filter {
  return (value, args) => {
    const first = byAttribute ? 1 : 0;
    const test = args.get(first);
    const kept = (isTrue(value) ? iterate(value) : []).filter((entry) => {
      const subject = byAttribute ? atPath(entry, args.need(0)) : entry;
      const held = test === undefined
        ? isTrue(subject)
        : holds(rawText(toText(test)), subject, args.get(first + 1));
      return held === wanted;
    });
    return new LazyList(kept);
  };
}

const mapped: Filter = (value, args) => {
  const path = args.get(-1, "attribute");
  const entries = isTrue(value) ? iterate(value) : [];
  if (path === undefined) {
    const name = args.raw(0);
    const rest = args.rest(1);
    return new LazyList(entries.map((entry) => applyFilter(name, entry, args.with(rest))));
  }
  const fallback = args.get(-1, "default");
  return new LazyList(entries.map((entry) => {
    const found = atPath(entry, path);
    return found instanceof Undefined && fallback !== undefined ? fallback : found;
  }));
};

/** `min` and `max`. */
const extreme = (sign: number): Filter => (value, args) => {
  const path = args.get(1, "attribute") ?? null;
  const key = (entry: JinjaValue) =>
    orderKey(
      path === null ? entry : atPath(entry, path),
      isTrue(args.get(0, "case_sensitive") ?? false),
    );
  const [first, ...rest] = iterate(value);
  if (first === undefined) return new Undefined("No aggregated item, sequence was empty.");
  return rest.reduce(
    (best, entry) => sign * compare(key(entry), key(best)) > 0 ? entry : best,
    first,
  );
};

const unique: Filter = (value) => {
  const seen: JinjaValue[] = [];
  return iterate(value).filter((entry) => {
    const key = orderKey(entry, false);
    if (seen.some((other) => isEqual(other, key))) return false;
    return seen.push(key) > 0;
  });
};

const fallback: Filter = (value, args) =>
  value instanceof Undefined || (isTrue(args.get(1, "boolean") ?? false) && !isTrue(value))
    ? args.get(0, "default_value") ?? ""
    : value;

const indent: Filter = (value, args) => {
  const width = args.get(0, "width") ?? 4;
  const by = isText(width) ? width : " ".repeat(numberOf(width) ?? 4);
  const [first, blank] = [
    isTrue(args.get(1, "first") ?? false),
    isTrue(args.get(2, "blank") ?? false),
  ];
  const lines = STRING_METHODS.split(toText(value), args.with(["\n"])) as Text[];
  const parts = lines.map((line, i) =>
    (i === 0 && !first) || (!blank && rawText(line) === "") ? line : concat([by, line])
  );
  return joinTexts(parts, "\n");
};

function toNumber(value: JinjaValue, otherwise: JinjaValue, integer: boolean): JinjaValue {
  const number = numberOf(value) ?? (isText(value) ? parsed(rawText(value), integer) : undefined);
  if (number === undefined) return otherwise;
  return integer ? Math.trunc(number) : new Float(number);
}

function parsed(text: string, integer: boolean): number | undefined {
  const number = /^\s*[-+]?\d[\d_]*\s*$/.test(text)
    ? parseInt(text.replaceAll("_", ""))
    : undefined;
  if (number !== undefined) return number;
  return /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(text)
    ? integer ? Math.trunc(parseFloat(text)) : parseFloat(text)
    : undefined;
}

const json: Filter = (value, args) => {
  const separators = args.get(2, "separators");
  const pair = separators === undefined ? undefined : listOf(separators);
  const level = args.get(1, "indent") ?? null;
  return toJson(value, {
    ensureAscii: isTrue(args.get(0, "ensure_ascii") ?? false),
    indent: isText(level) ? rawText(level) : numberOf(level) ?? null,
    separators: pair?.length === 2 ? [toText(pair[0]), toText(pair[1])] : undefined,
    sortKeys: isTrue(args.get(3, "sort_keys") ?? false),
  });
};

const reversed: Filter = (value) =>
  isText(value) ? slice(value, [undefined, undefined, -1]) : [...iterate(value)].reverse();

const batch: Filter = (value, args) => {
  const size = Math.max(1, args.integer(0, "linecount") ?? 1);
  const entries = iterate(value);
  return Array.from(
    { length: Math.ceil(entries.length / size) },
    (_, i) => entries.slice(i * size, (i + 1) * size),
  );
};

/** The filters by name. */
const FILTERS: Record<string, Filter> = {
  abs: (value) => {
    const number = Math.abs(numberOf(value) ?? NaN);
    return value instanceof Float ? new Float(number) : number;
  },
  attr: (value, args) => attribute(value, args.raw(0)),
  batch,
  bool: isTrue,
  capitalize: (value) => capitalize(toText(value)),
  count: lengthOf,
  d: fallback,
  default: fallback,
  dictsort: dictSorted,
  e: (value) => escapeHtml(toText(value)),
  escape: (value) => escapeHtml(toText(value)),
  first: (value) => iterate(value)[0] ?? new Undefined("No first item, sequence was empty."),
  float: (value, args) => toNumber(value, args.get(0, "default") ?? new Float(0), false),
  format: (value, args) => binary("%", toText(value), new Tuple(args.rest(0))),
  indent,
  int: (value, args) => toNumber(value, args.get(0, "default") ?? 0, true),
  items: (value) => value instanceof Undefined ? [] : dictItems(value),
  join: (value, args) => {
    const path = args.get(1, "attribute") ?? null;
    const entries = iterate(value).map((entry) =>
      toText(path === null ? entry : atPath(entry, path))
    );
    return joinTexts(entries, toText(args.get(0, "d") ?? ""));
  },
  last: (value) => iterate(value).at(-1) ?? new Undefined("No last item, sequence was empty."),
  length: lengthOf,
  list: (value) => [...iterate(value)],
  lower: (value) => STRING_METHODS.lower(toText(value), NONE),
  map: mapped,
  max: extreme(1),
  min: extreme(-1),
  reject: chosen(false, false),
  rejectattr: chosen(false, true),
  replace: (value, args) =>
    replaceText(
      toText(value),
      args.raw(0, "old"),
      toText(args.need(1, "new")),
      args.integer(2, "count"),
    ),
  reverse: reversed,
  round: (value, args) => {
    const scale = 10 ** (args.integer(0, "precision") ?? 0);
    return new Float(Math.round((numberOf(value) ?? NaN) * scale) / scale);
  },
  safe: (value) => new SafeText(rawText(toText(value)), marksOf(toText(value))),
  select: chosen(true, false),
  selectattr: chosen(true, true),
  sort: (value, args) => sorted(iterate(value), args),
  string: toText,
  sum: (value, args) => {
    const path = args.get(0, "attribute") ?? null;
    const terms = iterate(value).map((entry) => path === null ? entry : atPath(entry, path));
    return terms.reduce((sum, term) => binary("+", sum, term), args.get(1, "start") ?? 0);
  },
  title: (value) => title(toText(value)),
  tojson: json,
  trim: (value, args) => {
    const chars = args.text(0, "chars");
    return strip(toText(value), chars === undefined ? undefined : rawText(chars), "lr");
  },
  unique,
  upper: (value) => STRING_METHODS.upper(toText(value), NONE),
  wordcount: (value) => rawText(toText(value)).match(/\w+/g)?.length ?? 0,
};

function dictItems(value: JinjaValue): JinjaValue {
  if (value instanceof Dict) return value.items().map((entry) => new Tuple(entry));
  throw new TemplateError("Can only get item pairs from a mapping.");
}

/** `value | name(args)`. Throws {@linkcode TemplateError} for an unknown filter. */
export function applyFilter(name: string, value: JinjaValue, args: Arguments): JinjaValue {
  if (!Object.hasOwn(FILTERS, name)) throw new TemplateError(`No filter named '${name}'`);
  return FILTERS[name](value, args);
}
