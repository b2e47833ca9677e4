/**
 * Values as text: Python's `str`, `repr` and `json.dumps`.
 *
 * @module
 */
import { concat, isText, joinTexts, madeFrom, rawText, type Text } from "./marked_text.ts";
import {
  Dict,
  Float,
  type JinjaValue,
  listOf,
  TemplateError,
  Tuple,
  typeName,
  Undefined,
} from "./values.ts";

/** What `{{ value }}` prints. */
export function toText(value: JinjaValue): Text {
  if (isText(value)) return value;
  return value instanceof Undefined ? "" : repr(value);
}

/** Python's `repr` of a value. */
export function repr(value: JinjaValue): Text {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return integerText(value);
  if (value instanceof Float) return floatText(value.value);
  if (isText(value)) return madeFrom(value, quoted(rawText(value)));
  if (value instanceof Dict) {
    const entries = value.items().map(([key, v]) => concat([repr(key), ": ", repr(v)]));
    return concat(["{", joinTexts(entries, ", "), "}"]);
  }
  const items = listOf(value);
  if (!items) return value instanceof Undefined ? "Undefined" : `<${typeName(value)}>`;
  const texts = joinTexts(items.map(repr), ", ");
  if (!(value instanceof Tuple)) return concat(["[", texts, "]"]);
  return concat(["(", texts, items.length === 1 ? ",)" : ")"]);
}

/** An integer without an exponent. */
function integerText(value: number): string {
  return Number.isSafeInteger(value) ? String(value) : BigInt(value).toString();
}

/** Python's text of a float: an exponent from 1e16 and below 1e-4. */
function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e16 || size < 1e-4)) {
    const [digits, exponent] = value.toExponential().split("e");
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
  }
  if (Object.is(value, -0)) return "-0.0";
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

const ESCAPES: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

/** Python's `repr` of a string. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let out = quote;
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (ESCAPES[char]) out += ESCAPES[char];
    else if (char === quote) out += `\\${char}`;
    else if (char !== " " && /^[\p{C}\p{Z}]$/u.test(char)) out += escaped(code);
    else out += char;
  }
  return out + quote;
}

function escaped(code: number): string {
  const hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** Options of {@linkcode toJson}, those of `json.dumps`. */
export interface JsonOptions {
  /** Spaces a level, or the text of a level; null: all on one line. @default null */
  indent?: number | string | null;
  /** Escape what is not ASCII. @default false */
  ensureAscii?: boolean;
  /** Between items, and after keys. @default [", ", ": "], with an indent [",", ": "] */
  separators?: [Text, Text];
  /** Order keys by their text. @default false */
  sortKeys?: boolean;
}

/** The value as `json.dumps` writes it. Throws {@linkcode TemplateError} for what is no JSON. */
export function toJson(value: JinjaValue, options: JsonOptions = {}, depth = 0): Text {
  const { indent = null, ensureAscii = false, sortKeys = false } = options;
  const [between, after] = options.separators ?? [indent === null ? ", " : ",", ": "];
  if (value === null) return "null";
  if (typeof value === "boolean") return value ? "true" : "false";
  if (isText(value)) return madeFrom(value, jsonString(rawText(value), ensureAscii));
  if (typeof value === "number" || value instanceof Float) return jsonNumber(value);
  const level = typeof indent === "number" ? " ".repeat(indent) : indent ?? "";
  const line = (n: number) => indent === null ? "" : "\n" + level.repeat(n);
  const wrap = (open: string, items: Text[], close: string): Text => {
    if (items.length === 0) return open + close;
    const separator = concat([between, line(depth + 1)]);
    return concat([open, line(depth + 1), joinTexts(items, separator), line(depth), close]);
  };
  const items = listOf(value);
  if (items) return wrap("[", items.map((item) => toJson(item, options, depth + 1)), "]");
  if (value instanceof Dict) {
    const entries = value.items();
    if (sortKeys) entries.sort(([a], [b]) => rawText(toText(a)) < rawText(toText(b)) ? -1 : 1);
    const fields = entries.map(([key, v]) =>
      concat([jsonKey(key, ensureAscii), after, toJson(v, options, depth + 1)])
    );
    return wrap("{", fields, "}");
  }
  throw new TemplateError(`Object of type ${typeName(value)} is not JSON serializable`);
}

function jsonKey(key: JinjaValue, ensureAscii: boolean): Text {
  return isText(key) ? toJson(key, { ensureAscii }) : concat(['"', toJson(key), '"']);
}

function jsonNumber(value: number | Float): Text {
  if (typeof value === "number") return integerText(value);
  const text = floatText(value.value);
  return { nan: "NaN", inf: "Infinity", "-inf": "-Infinity" }[text] ?? text;
}

/** `JSON.stringify` of a string, but lone surrogates stay as they are. */
function jsonString(text: string, ensureAscii: boolean): string {
  const json = JSON.stringify(text);
  if (!ensureAscii) return json;
  return json.replace(
    /[\u007f-\uffff]/g,
    (c) => c === "\u007f" ? c : `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
