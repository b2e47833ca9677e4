/**
 * Writes grammars in the engine's EBNF. Two habits of the engine (xgrammar 0.1.27) are hidden here:
 * a class of characters is one of bytes, so that characters past ASCII are written as sequences of
 * bytes; and a class of one byte becomes a character, unless the byte stands there twice.
 *
 * @module
 */
import { type Chars, intersect, rangesOf } from "./chars.ts";
import { tooLarge } from "./errors.ts";

/** Most characters of a grammar's text. */
const MOST_TEXT = 2 ** 22;

/** Most rules of a grammar. */
const MOST_RULES = 20_000;

/** Most sequences of bytes that are written in place. */
const MOST_INLINE = 12;

/** Rules of a grammar; equal ones are one rule. */
export class Rules {
  readonly #names = new Map<string, string>();
  readonly #made = new Map<string, string>();
  readonly #bodies = new Map<string, string>();
  #chars = 0;

  /** The name of a rule with this body. */
  of(body: string): string {
    let name = this.#names.get(body);
    if (name === undefined) {
      name = this.reserve();
      this.#names.set(body, name);
      this.set(name, body);
    }
    return name;
  }

  /** What `make` writes for this key, once. */
  once(key: string, make: () => string): string {
    const known = this.#made.get(key) ?? make();
    this.#made.set(key, known);
    return known;
  }

  /** A name whose rule is set later, for rules that name themselves. */
  reserve(): string {
    if (this.#bodies.size >= MOST_RULES) throw tooLarge("rules", this.#bodies.size + 1, MOST_RULES);
    const name = `r${this.#bodies.size}`;
    this.#bodies.set(name, "");
    return name;
  }

  /** Sets the body of a rule. */
  set(name: string, body: string): void {
    this.#bodies.set(name, body);
    this.#chars += name.length + body.length + 6;
    if (this.#chars > MOST_TEXT) {
      throw tooLarge("characters in its grammar", this.#chars, MOST_TEXT);
    }
  }

  /** The grammar whose text is the rule `root`. */
  grammar(root: string): string {
    const lines = [`root ::= ${root}`];
    for (const [name, body] of this.#bodies) lines.push(`${name} ::= ${body}`);
    return lines.join("\n") + "\n";
  }
}

/** A text as itself; the empty text is `""`. */
export function literal(text: string): string {
  let out = "";
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (char === '"' || char === "\\") out += `\\${char}`;
    else if (code >= 32 && code < 127) out += char;
    else out += `\\U${code.toString(16).padStart(8, "0")}`;
  }
  return `"${out}"`;
}

/** Alternatives, as one part of a sequence; none: a rule that nothing matches cannot be written. */
export function choice(options: readonly string[]): string {
  const unique = [...new Set(options)];
  return unique.length === 1 ? unique[0] : `(${unique.join(" | ")})`;
}

/** `least` to `most` times (Infinity: without a limit) a part of a sequence. */
export function repeat(part: string, least: number, most: number): string {
  if (most === 0) return `""`;
  if (least === 1 && most === 1) return part;
  if (most === Infinity && least < 2) return `(${part})${least === 0 ? "*" : "+"}`;
  if (least === 0 && most === 1) return `(${part})?`;
  return most === Infinity ? `((${part}){${least}} (${part})*)` : `(${part}){${least},${most}}`;
}

/** Alternatives for one character of a set, as UTF-8. */
export function charsAsBytes(set: Chars, rules: Pick<Rules, "of">): string[] {
  const options: string[] = [];
  const ascii = rangesOf(intersect(set, [0, 127]));
  if (ascii.length > 0) options.push(bytes(ascii));
  const rest = rangesOf(intersect(set, [128, 0x10ffff]));
  const sequences = rest.flatMap(([from, to]) => utf8Ranges(from, to));
  if (sequences.length > 0) {
    const written = sequences.map((sequence) => sequence.map((range) => bytes([range])).join(" "));
    // A rule of its own makes masks slower by a factor: the engine decides tokens rule by rule.
    options.push(...written.length <= MOST_INLINE ? written : [rules.of(written.join(" | "))]);
  }
  return options;
}

/** A class of bytes. */
function bytes(ranges: readonly (readonly [number, number])[]): string {
  const text = ranges.map(([from, to]) => from === to ? hex(from) : `${hex(from)}-${hex(to)}`);
  const single = ranges.length === 1 && ranges[0][0] === ranges[0][1];
  return `[${text.join("")}${single ? text[0] : ""}]`;
}

const hex = (byte: number) => `\\x${byte.toString(16).padStart(2, "0")}`;

/** The UTF-8 of characters past ASCII from `from` to `to`, as sequences of ranges of bytes. */
function utf8Ranges(from: number, to: number): [number, number][][] {
  for (const last of [0x7ff, 0xffff]) {
    if (from <= last && to > last) return [...utf8Ranges(from, last), ...utf8Ranges(last + 1, to)];
  }
  const a = [...new TextEncoder().encode(String.fromCodePoint(from))];
  const b = [...new TextEncoder().encode(String.fromCodePoint(to))];
  return byteRanges(a, b);
}

/** Sequences of bytes from `a` to `b`, which are of one length; all bytes but the first are 0x80-0xbf. */
function byteRanges(a: readonly number[], b: readonly number[]): [number, number][][] {
  const [head, ...tailA] = a;
  const [end, ...tailB] = b;
  if (tailA.length === 0) return [[[head, end]]];
  if (head === end) return byteRanges(tailA, tailB).map((rest) => [[head, head], ...rest]);
  const low = tailA.map(() => 0x80);
  const high = tailA.map(() => 0xbf);
  const sequences: [number, number][][] = [];
  const lowest = tailA.every((byte) => byte === 0x80);
  const highest = tailB.every((byte) => byte === 0xbf);
  if (!lowest) {
    sequences.push(
      ...byteRanges(tailA, high).map((rest) => [[head, head], ...rest] as [number, number][]),
    );
  }
  const first = lowest ? head : head + 1;
  const last = highest ? end : end - 1;
  if (first <= last) {
    sequences.push([
      [first, last],
      ...low.map(() => [0x80, 0xbf] as [number, number]),
    ]);
  }
  if (!highest) {
    sequences.push(
      ...byteRanges(low, tailB).map((rest) => [[end, end], ...rest] as [number, number][]),
    );
  }
  return sequences;
}
