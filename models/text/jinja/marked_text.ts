/**
 * Text that knows which of its characters came from outside the template. The tokenizer reads a
 * special token only where the template itself wrote it, so this survives every operation that a
 * template does with a text.
 *
 * @module
 */

/** Text of which some characters came from the request. */
export class MarkedText {
  /** One character for each of `text`: `1` from the request, `0` from the template. */
  readonly marks: string;
  /** The characters. */
  readonly text: string;

  /** `marks` has the length of `text`. */
  constructor(text: string, marks: string) {
    this.text = text;
    this.marks = marks;
  }

  /** The characters, for messages of errors. */
  toString(): string {
    return this.text;
  }
}

/** Text that `| safe` made: what is added to it is escaped as HTML, as Python's Markup does. */
export class SafeText extends MarkedText {}

/** A text of a template's run; a plain string is the template's own from end to end. */
export type Text = string | MarkedText;

/** Text that came from the request as a whole. */
export function foreign(text: string): Text {
  return text === "" ? "" : new MarkedText(text, "1".repeat(text.length));
}

/** Whether a value is a text. */
export function isText(value: unknown): value is Text {
  return typeof value === "string" || value instanceof MarkedText;
}

/** The characters. */
export function rawText(text: Text): string {
  return typeof text === "string" ? text : text.text;
}

/** A mark for each character. */
export function marksOf(text: Text): string {
  return typeof text === "string" ? "0".repeat(text.length) : text.marks;
}

/** The texts one after the other. */
export function concat(parts: readonly Text[]): Text {
  if (parts.length === 1) return parts[0];
  const text = parts.map(rawText).join("");
  return parts.every((part) => typeof part === "string")
    ? text
    : new MarkedText(text, parts.map(marksOf).join(""));
}

/** The characters from `start` up to `end`, indices of UTF-16 units. */
export function sliceText(text: Text, start: number, end?: number): Text {
  if (typeof text === "string") return text.slice(start, end);
  const slice = text.text.slice(start, end);
  return slice === "" ? "" : new MarkedText(slice, text.marks.slice(start, end));
}

/** The text cut at each index of `starts`, where something of `length` units is left out. */
export function cutText(text: Text, starts: readonly number[], length: number): Text[] {
  const parts: Text[] = [];
  let from = 0;
  for (const start of starts) {
    parts.push(sliceText(text, from, start));
    from = start + length;
  }
  parts.push(sliceText(text, from));
  return parts;
}

/** The texts with `separator` between them. */
export function joinTexts(parts: readonly Text[], separator: Text): Text {
  if (parts.length === 0) return "";
  return concat(parts.flatMap((part, i) => i === 0 ? [part] : [separator, part]));
}

/** `change` of each run of characters with one origin, such as upper case. */
export function mapText(text: Text, change: (run: string) => string): Text {
  if (typeof text === "string") return change(text);
  if (!text.marks.includes("0")) return foreign(change(text.text));
  const runs: Text[] = [];
  for (const { 0: run, index } of text.marks.matchAll(/0+|1+/g)) {
    const changed = change(text.text.slice(index, index + run.length));
    runs.push(run[0] === "1" ? foreign(changed) : changed);
  }
  return concat(runs);
}

/** A text that was made from `source` by other means: from the request if any of that was. */
export function madeFrom(source: Text, text: string): Text {
  return typeof source === "string" ? text : foreign(text);
}
