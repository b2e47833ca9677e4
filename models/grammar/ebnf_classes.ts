/**
 * Classes of characters in a client's EBNF. The engine reads them as classes of bytes, which is wrong
 * past ASCII: there they are written as sequences of bytes.
 *
 * @module
 */
import { type Chars, charsOf, invert } from "./chars.ts";
import { charsAsBytes } from "./ebnf.ts";

/** A text, a comment, or a class of characters. */
const TOKEN = /"(?:[^"\\\n]|\\.)*"|#[^\n]*|\[((?:[^\]\\\n]|\\.)*)\]/gu;

const CHAR = /\\x([0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|\\(.)|(.)/gsu;

const CONTROLS: Record<string, string> = { n: "\n", t: "\t", r: "\r", v: "\v", f: "\f", b: "\b" };

/** The grammar with each class that has characters past ASCII, or is inverted, as bytes. */
export function bytesInClasses(ebnf: string): string {
  return ebnf.replace(TOKEN, (token, inside: string | undefined) => {
    if (inside === undefined) return token;
    const inverted = inside.startsWith("^");
    const set = classOf(inverted ? inside.slice(1) : inside);
    const ascii = set.every((code) => code < 128);
    if (ascii && !inverted || set.length === 0) return token;
    const options = charsAsBytes(inverted ? invert(set) : set, { of: (body) => `(${body})` });
    return `(${options.join(" | ")})`;
  });
}

function classOf(inside: string): Chars {
  const codes: number[] = [];
  const dashes = new Set<number>(); // places of dashes that are not escaped
  for (const [whole, x, u, long, escaped, plain] of inside.matchAll(CHAR)) {
    const hex = x ?? u ?? long;
    if (whole === "-" && plain === "-") dashes.add(codes.length);
    if (hex !== undefined) codes.push(parseInt(hex, 16));
    else codes.push((CONTROLS[escaped] ?? escaped ?? plain).codePointAt(0)!);
  }
  const ranges: [number, number][] = [];
  for (let i = 0; i < codes.length; i++) {
    const range = dashes.has(i + 1) && i + 2 < codes.length;
    ranges.push([codes[i], range ? codes[i + 2] : codes[i]]);
    if (range) i += 2;
  }
  return charsOf(ranges);
}
