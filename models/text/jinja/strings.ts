/**
 * Python's methods of strings.
 *
 * @module
 */
import type { Arguments } from "./arguments.ts";
import {
  concat,
  cutText,
  isText,
  joinTexts,
  mapText,
  rawText,
  sliceText,
  type Text,
} from "./marked_text.ts";
import { toText } from "./python_text.ts";
import { iterate, type JinjaValue, listOf, TemplateError, Tuple, typeName } from "./values.ts";

/** What Python counts as white space. */
const SPACE = /^[\s\x85]$/;

const isSpace = (char: string) => SPACE.test(char) && char !== "\ufeff";

/** The text without `chars` at its begin and end; without `chars`: without white space. */
export function strip(text: Text, chars: string | undefined, sides: "l" | "r" | "lr"): Text {
  const raw = rawText(text);
  const units = [...raw];
  const goes = chars === undefined ? isSpace : (char: string) => chars.includes(char);
  let [first, last] = [0, units.length];
  let [start, end] = [0, raw.length];
  if (sides !== "r") { while (first < last && goes(units[first])) start += units[first++].length; }
  if (sides !== "l") { while (last > first && goes(units[last - 1])) end -= units[--last].length; }
  return sliceText(text, start, end);
}

/** Where `part` stands in the text, at most `most` times, none over another. */
function places(text: string, part: string, most = Infinity): number[] {
  const found: number[] = [];
  for (let at = text.indexOf(part); at >= 0 && found.length < most;) {
    found.push(at);
    at = text.indexOf(part, at + part.length);
  }
  return found;
}

/** As {@linkcode places}, counted from the end. */
function lastPlaces(text: string, part: string, most: number): number[] {
  const found: number[] = [];
  for (let at = text.lastIndexOf(part); at >= 0 && found.length < most;) {
    found.unshift(at);
    if (at < part.length) break;
    at = text.lastIndexOf(part, at - part.length);
  }
  return found;
}

/** `text.split(separator, most)`, or `rsplit`. */
function split(text: Text, args: Arguments, fromEnd: boolean): Text[] {
  const limit = args.integer(1, "maxsplit") ?? -1;
  const most = limit < 0 ? Infinity : limit;
  const separator = args.text(0, "sep");
  const raw = rawText(text);
  if (separator !== undefined) {
    const sep = rawText(separator);
    if (sep === "") throw new TemplateError("empty separator");
    const at = fromEnd ? lastPlaces(raw, sep, most) : places(raw, sep, most);
    return cutText(text, at, sep.length);
  }
  const words = [...raw.matchAll(/[^\s\x85]+/g)];
  if (words.length <= most) {
    return words.map(({ 0: word, index }) => sliceText(text, index, index + word.length));
  }
  if (fromEnd) {
    const tail = words.slice(words.length - most);
    const head = strip(sliceText(text, 0, tail[0]?.index ?? raw.length), undefined, "r");
    return [head, ...tail.map(({ 0: w, index }) => sliceText(text, index, index + w.length))];
  }
  const head = words.slice(0, most);
  return [
    ...head.map(({ 0: word, index }) => sliceText(text, index, index + word.length)),
    sliceText(text, words[most].index),
  ];
}

/** `text.replace(old, new, count)`. */
export function replaceText(text: Text, old: string, fresh: Text, count?: number): Text {
  const most = count === undefined || count < 0 ? Infinity : count;
  if (old !== "") {
    return joinTexts(cutText(text, places(rawText(text), old, most), old.length), fresh);
  }
  const chars = iterate(text) as Text[];
  return concat(
    [...chars, ""].flatMap((char, i) => i < most ? [fresh, char] : [char]),
  );
}

/** The text with HTML's special characters escaped. */
export function escapeHtml(text: Text): Text {
  return [["&", "&amp;"], ["<", "&lt;"], [">", "&gt;"], ["'", "&#39;"], ['"', "&#34;"]].reduce(
    (escaped, [from, to]) => replaceText(escaped, from, to),
    text,
  );
}

function splitLines(text: Text, keepEnds: boolean): Text[] {
  const lines: Text[] = [];
  let from = 0;
  for (
    const { 0: end, index } of rawText(text).matchAll(/\r\n|[\n\r\v\f\x85\u2028\u2029]/g)
  ) {
    lines.push(sliceText(text, from, keepEnds ? index + end.length : index));
    from = index + end.length;
  }
  if (from < rawText(text).length) lines.push(sliceText(text, from));
  return lines;
}

/** The text cut at the first or last `separator`, which stands between. */
function partition(text: Text, separator: string, last: boolean): Tuple {
  const raw = rawText(text);
  const at = last ? raw.lastIndexOf(separator) : raw.indexOf(separator);
  if (at < 0) return new Tuple(last ? ["", "", text] : [text, "", ""]);
  const end = at + separator.length;
  return new Tuple([sliceText(text, 0, at), sliceText(text, at, end), sliceText(text, end)]);
}

const upper = (s: string) => s.toUpperCase();
const lower = (s: string) => s.toLowerCase();

/** The first character in upper case, the others in lower case. */
export function capitalize(text: Text): Text {
  const [first = ""] = rawText(text);
  return concat([
    mapText(sliceText(text, 0, first.length), upper),
    mapText(sliceText(text, first.length), lower),
  ]);
}

/** Each word's first letter in upper case. */
export function title(text: Text): Text {
  return mapText(text, (run) =>
    run.replace(/\p{L}+/gu, (word) => {
      const [first] = word;
      return first.toUpperCase() + word.slice(first.length).toLowerCase();
    }));
}

/** Whether the text begins or ends with one of the texts of the first argument. */
function hasEnd(text: string, args: Arguments, test: "startsWith" | "endsWith"): boolean {
  const wanted = args.need(0);
  return (listOf(wanted) ?? [wanted]).some((end) => {
    if (!isText(end)) throw new TemplateError(`expected str or tuple, got ${typeName(end)}`);
    return text[test](rawText(end));
  });
}

/** Code points before a UTF-16 index; -1 stays -1. */
const pointIndex = (text: string, at: number) => at < 0 ? -1 : [...text.slice(0, at)].length;

function pad(text: Text, args: Arguments, side: "l" | "r"): Text {
  const missing = Math.max(0, (args.integer(0) ?? 0) - [...rawText(text)].length);
  const fill = rawText(args.text(1) ?? " ").repeat(missing);
  return concat(side === "l" ? [fill, text] : [text, fill]);
}

/** `"{} {name}".format(...)`, without format specifications. */
function format(text: Text, args: Arguments): Text {
  const raw = rawText(text);
  const parts: Text[] = [];
  let [from, next] = [0, 0];
  for (const { 0: field, 1: name, index } of raw.matchAll(/\{\{|\}\}|\{(\w*)\}/g)) {
    parts.push(sliceText(text, from, index));
    from = index + field.length;
    if (name === undefined) parts.push(field[0]);
    else if (/^\d*$/.test(name)) parts.push(toText(args.need(name === "" ? next++ : Number(name))));
    else parts.push(toText(args.need(-1, name)));
  }
  return concat([...parts, sliceText(text, from)]);
}

const every = (pattern: RegExp) => (text: Text) => pattern.test(rawText(text));

/** Methods of strings, by name. */
export const STRING_METHODS: Record<string, (text: Text, args: Arguments) => JinjaValue> = {
  upper: (text) => mapText(text, upper),
  lower: (text) => mapText(text, lower),
  casefold: (text) => mapText(text, lower),
  capitalize,
  title,
  swapcase: (text) =>
    mapText(
      text,
      (run) =>
        [...run].map((c) => c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase()).join(""),
    ),
  strip: (text, args) => strip(text, charsOf(args), "lr"),
  lstrip: (text, args) => strip(text, charsOf(args), "l"),
  rstrip: (text, args) => strip(text, charsOf(args), "r"),
  split: (text, args) => split(text, args, false),
  rsplit: (text, args) => split(text, args, true),
  splitlines: (text, args) => splitLines(text, args.get(0, "keepends") === true),
  partition: (text, args) => partition(text, args.raw(0), false),
  rpartition: (text, args) => partition(text, args.raw(0), true),
  replace: (text, args) =>
    replaceText(text, args.raw(0, "old"), args.text(1, "new") ?? "", args.integer(2, "count")),
  join: (text, args) => joinTexts(iterate(args.need(0)).map(onlyText), text),
  startswith: (text, args) => hasEnd(rawText(text), args, "startsWith"),
  endswith: (text, args) => hasEnd(rawText(text), args, "endsWith"),
  removeprefix: (text, args) =>
    rawText(text).startsWith(args.raw(0)) ? sliceText(text, args.raw(0).length) : text,
  removesuffix: (text, args) => {
    const [raw, suffix] = [rawText(text), args.raw(0)];
    return suffix !== "" && raw.endsWith(suffix)
      ? sliceText(text, 0, raw.length - suffix.length)
      : text;
  },
  find: (text, args) => pointIndex(rawText(text), rawText(text).indexOf(args.raw(0))),
  rfind: (text, args) => pointIndex(rawText(text), rawText(text).lastIndexOf(args.raw(0))),
  index: (text, args) => {
    const at = rawText(text).indexOf(args.raw(0));
    if (at < 0) throw new TemplateError("substring not found");
    return pointIndex(rawText(text), at);
  },
  count: (text, args) => places(rawText(text), args.raw(0)).length,
  format,
  ljust: (text, args) => pad(text, args, "r"),
  rjust: (text, args) => pad(text, args, "l"),
  zfill: (text, args) =>
    concat(["0".repeat(Math.max(0, (args.integer(0) ?? 0) - rawText(text).length)), text]),
  isspace: (text) => rawText(text) !== "" && [...rawText(text)].every(isSpace),
  isdigit: every(/^\p{Nd}+$/u),
  isdecimal: every(/^\p{Nd}+$/u),
  isnumeric: every(/^\p{N}+$/u),
  isalpha: every(/^\p{L}+$/u),
  isalnum: every(/^[\p{L}\p{N}]+$/u),
  isupper: (text) =>
    rawText(text) !== lower(rawText(text)) && rawText(text) === upper(rawText(text)),
  islower: (text) =>
    rawText(text) !== upper(rawText(text)) && rawText(text) === lower(rawText(text)),
};

/** The argument of `strip`: the characters that go. */
function charsOf(args: Arguments): string | undefined {
  const chars = args.text(0, "chars");
  return chars === undefined ? undefined : rawText(chars);
}

function onlyText(value: JinjaValue): Text {
  if (isText(value)) return value;
  throw new TemplateError(`sequence item: expected str instance, ${typeName(value)} found`);
}
