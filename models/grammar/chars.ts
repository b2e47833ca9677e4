/**
 * Sets of Unicode characters, as ranges.
 *
 * @module
 */

/**
 * A set of code points: begins and ends of ranges, both included, ascending and apart. It never has
 * surrogates, which are no characters.
 */
export type Chars = readonly number[];

/** Largest code point. */
const LAST = 0x10ffff;

/** Every character. */
export const ANY: Chars = [0, 0xd7ff, 0xe000, LAST];

/** The set of these ranges, in any order. */
export function charsOf(ranges: readonly (readonly [number, number])[]): Chars {
  const sorted = ranges.filter(([from, to]) => from <= to).sort(([a], [b]) => a - b);
  const joined: number[] = [];
  for (const [from, to] of sorted) {
    if (joined.length > 0 && from <= joined[joined.length - 1] + 1) {
      joined[joined.length - 1] = Math.max(joined[joined.length - 1], to);
    } else joined.push(from, to);
  }
  return intersect(joined, ANY);
}

/** The set of a text's characters. */
export function charsIn(text: string): Chars {
  return charsOf([...text].map((char) => [char.codePointAt(0)!, char.codePointAt(0)!] as const));
}

/** The ranges of a set. */
export function rangesOf(set: Chars): [number, number][] {
  const ranges: [number, number][] = [];
  for (let i = 0; i < set.length; i += 2) ranges.push([set[i], set[i + 1]]);
  return ranges;
}

/** What is in any of the sets. */
export function unite(...sets: Chars[]): Chars {
  return charsOf(sets.flatMap(rangesOf));
}

/** What is in both sets. */
export function intersect(a: Chars, b: Chars): Chars {
  const both: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const from = Math.max(a[i], b[j]);
    const to = Math.min(a[i + 1], b[j + 1]);
    if (from <= to) both.push(from, to);
    if (a[i + 1] < b[j + 1]) i += 2;
    else j += 2;
  }
  return both;
}

/** Every character that is not in the set. */
export function invert(set: Chars): Chars {
  const rest: number[] = [];
  let next = 0;
  for (const [from, to] of rangesOf(set)) {
    if (from > next) rest.push(next, from - 1);
    next = to + 1;
  }
  if (next <= LAST) rest.push(next, LAST);
  return intersect(rest, ANY);
}

/** What is in `a` and not in `b`. */
export function without(a: Chars, b: Chars): Chars {
  return intersect(a, invert(b));
}

/** Is this code point in the set? */
export function hasChar(set: Chars, code: number): boolean {
  for (let i = 0; i < set.length; i += 2) if (code >= set[i] && code <= set[i + 1]) return true;
  return false;
}
