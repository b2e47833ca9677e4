/**
 * Characters of Unicode properties, such as `\p{L}`.
 *
 * @module
 */
import { ANY, type Chars, charsOf, rangesOf } from "../chars.ts";

const known = new Map<string, Chars | undefined>();

/** The characters of a property as ECMA-262 writes it; undefined: there is none of this name. */
export function propertyChars(name: string): Chars | undefined {
  if (!known.has(name)) {
    if (known.size > 64) known.clear();
    known.set(name, find(name));
  }
  return known.get(name);
}

function find(name: string): Chars | undefined {
  let property: RegExp;
  try {
    if (!/^[A-Za-z0-9_=]{1,60}$/.test(name)) return undefined;
    property = new RegExp(`\\p{${name}}`, "u");
  } catch {
    return undefined;
  }
  const ranges: [number, number][] = [];
  for (const [from, to] of rangesOf(ANY)) {
    for (let code = from; code <= to; code++) {
      if (!property.test(String.fromCodePoint(code))) continue;
      const last = ranges.at(-1);
      if (last && last[1] === code - 1) last[1] = code;
      else ranges.push([code, code]);
    }
  }
  return charsOf(ranges);
}
