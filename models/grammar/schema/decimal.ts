/**
 * Decimal numbers that are not negative, exactly, and ranges of them as grammars.
 *
 * @module
 */
import { choice, literal, repeat, type Rules } from "../ebnf.ts";

/** Digits before and behind the point; behind it without zeros at the end. */
export interface Decimal {
  whole: bigint;
  fraction: string;
}

/** A limit of a range. */
export interface Limit {
  at: Decimal;
  /** Whether the number itself is excluded. */
  open: boolean;
}

/** Most digits before the point where there is no limit. */
export const MOST_WHOLE = 20;

/** A number without its sign as a decimal. */
export function decimalOf(value: number): Decimal {
  const [digits, exponent = "0"] = Math.abs(value).toString().split("e");
  const [whole, fraction = ""] = digits.split(".");
  const shift = Number(exponent);
  const all = whole + fraction;
  const point = whole.length + shift;
  const padded = point <= 0 ? "0".repeat(1 - point) + all : all.padEnd(point, "0");
  const at = point <= 0 ? 1 : point;
  return { whole: BigInt(padded.slice(0, at)), fraction: padded.slice(at).replace(/0+$/, "") };
}

/** Which of two decimals is larger: less than 0, 0 or more than 0. */
export function compare(a: Decimal, b: Decimal): number {
  if (a.whole !== b.whole) return a.whole < b.whole ? -1 : 1;
  return a.fraction === b.fraction ? 0 : a.fraction < b.fraction ? -1 : 1;
}

/**
 * Alternatives for numbers from `low` to `high` (undefined: without a limit) with up to `digits`
 * digits behind the point; none where there is no such number.
 */
export function rangeOf(
  low: Limit,
  high: Limit | undefined,
  { digits, rules }: { digits: number; rules: Rules },
): string[] {
  const options: string[] = [];
  const point = (fraction: string | undefined) => fraction === undefined ? [] : [`"." ${fraction}`];
  const from = low.at.whole;
  const zero = low.at.fraction === "" && !low.open; // may the low end be a whole number?
  if (high && from === high.at.whole) {
    const whole = literal(String(from));
    if (zero && (high.at.fraction !== "" || !high.open)) options.push(whole);
    options.push(...point(between(low, high, digits, rules)).map((rest) => `${whole} ${rest}`));
    return options;
  }
  const first = literal(String(from));
  if (zero) options.push(first);
  options.push(...point(atLeast(low, digits, rules)).map((rest) => `${first} ${rest}`));
  const inside = wholeRange(from + 1n, high ? high.at.whole - 1n : undefined);
  if (inside.length > 0) {
    const fraction = digits > 0 ? ` ("." ${anyDigits(1, digits)})?` : "";
    options.push(`${rules.of(inside.join(" | "))}${fraction}`);
  }
  if (high) {
    const last = literal(String(high.at.whole));
    if (high.at.fraction !== "" || !high.open) options.push(last);
    options.push(...point(atMost(high, digits, rules)).map((rest) => `${last} ${rest}`));
  }
  return options;
}

const anyDigits = (least: number, most: number) => repeat("[0-9]", least, most);
const digit = (from: number, to: number) => from === to ? `"${from}"` : `[${from}-${to}]`;

/** Alternatives for whole numbers from `low` to `high`. */
export function wholeRange(low: bigint, high: bigint | undefined): string[] {
  if (high === undefined) {
    const length = String(low).length;
    const longer = Math.max(length, MOST_WHOLE - 1);
    const same = wholeRange(low, 10n ** BigInt(length) - 1n);
    return [...same, ...longer > length ? [`[1-9] ${anyDigits(length, longer)}`] : []];
  }
  if (low > high) return [];
  const options: string[] = [];
  for (let from = low; from <= high;) {
    const length = String(from).length;
    const most = 10n ** BigInt(length) - 1n;
    const to = high < most ? high : most;
    options.push(...sameLength(String(from), String(to)));
    from = to + 1n;
  }
  return options;
}

/** Numbers of as many digits as both, from `a` to `b`. */
function sameLength(a: string, b: string): string[] {
  const [x, y] = [Number(a[0]), Number(b[0])];
  if (a.length === 1) return [digit(x, y)];
  const rest = a.length - 1;
  const [low, high] = ["0".repeat(rest), "9".repeat(rest)];
  const [tailA, tailB] = [a.slice(1), b.slice(1)];
  const then = (first: string, tails: string[]) => [`${first} ${choice(tails)}`];
  if (x === y) return then(digit(x, x), sameLength(tailA, tailB));
  const options: string[] = [];
  let [from, to] = [x, y];
  if (tailA !== low) {
    options.push(...then(digit(x, x), sameLength(tailA, high)));
    from++;
  }
  if (tailB !== high) to--;
  if (from <= to) options.push(`${digit(from, to)} ${anyDigits(rest, rest)}`);
  if (tailB !== high) options.push(...then(digit(y, y), sameLength(low, tailB)));
  return options;
}

/** Fractions of 1 to `digits` digits that are at least `low`'s; undefined: there are none. */
function atLeast({ at, open }: Limit, digits: number, rules: Rules): string | undefined {
  const wanted = at.fraction;
  const write = (i: number, left: number): string | undefined => {
    if (i === wanted.length) {
      if (open) return positive(left, rules);
      return i === 0 ? left > 0 ? anyDigits(1, left) : undefined : anyDigits(0, left);
    }
    if (left === 0) return undefined;
    const options: string[] = [];
    const here = Number(wanted[i]);
    if (here < 9) options.push(`${digit(here + 1, 9)} ${anyDigits(0, left - 1)}`);
    const next = write(i + 1, left - 1);
    if (next !== undefined) options.push(`${digit(here, here)} ${next}`);
    return options.length === 0 ? undefined : rules.of(options.join(" | "));
  };
  return write(0, digits);
}

/** Digits that are not all zeros. */
function positive(left: number, rules: Rules): string | undefined {
  if (left === 0) return undefined;
  const first = `[1-9] ${anyDigits(0, left - 1)}`;
  const rest = positive(left - 1, rules);
  return rules.of(rest === undefined ? first : `${first} | "0" ${rest}`);
}

/** Fractions of 1 to `digits` digits that are at most `high`'s. */
function atMost({ at, open }: Limit, digits: number, rules: Rules): string | undefined {
  const limit = at.fraction;
  const write = (i: number, left: number): string | undefined => {
    const over = i === limit.length;
    if (over) {
      if (open) return undefined;
      return i === 0 ? left > 0 ? repeat(`"0"`, 1, left) : undefined : repeat(`"0"`, 0, left);
    }
    const options: string[] = i > 0 ? [`""`] : []; // it may end: what follows in the limit is more
    if (left > 0) {
      const here = Number(limit[i]);
      if (here > 0) options.push(`${digit(0, here - 1)} ${anyDigits(0, left - 1)}`);
      const next = write(i + 1, left - 1);
      if (next !== undefined) options.push(`${digit(here, here)} ${next}`);
    }
    return options.length === 0 ? undefined : rules.of(options.join(" | "));
  };
  return write(0, digits);
}

/** Fractions of 1 to `digits` digits between those of `low` and `high`. */
function between(low: Limit, high: Limit, digits: number, rules: Rules): string | undefined {
  const [a, b] = [low.at.fraction, high.at.fraction];
  const tail = (limit: Limit, from: number): Limit => ({
    ...limit,
    at: { whole: 0n, fraction: limit.at.fraction.slice(from) },
  });
  const write = (i: number, left: number): string | undefined => {
    const options: string[] = [];
    const ends = i > 0 && a.length <= i && !low.open && !(b.length <= i && high.open);
    if (ends) options.push(`""`);
    if (left > 0 && !(b.length <= i && a.length <= i && (low.open || high.open))) {
      const [x, y] = [Number(a[i] ?? 0), Number(b[i] ?? 0)];
      if (x === y) {
        const next = write(i + 1, left - 1);
        if (next !== undefined) options.push(`${digit(x, x)} ${next}`);
      } else if (x < y) {
        if (x + 1 < y) options.push(`${digit(x + 1, y - 1)} ${anyDigits(0, left - 1)}`);
        const above = tail(low, i + 1);
        const more = atLeast(above, left - 1, rules);
        const endsLow = above.at.fraction === "" && !above.open;
        if (more !== undefined) options.push(`${digit(x, x)} ${endsLow ? `(${more})?` : more}`);
        else if (endsLow) options.push(digit(x, x));
        const below = tail(high, i + 1);
        const less = atMost(below, left - 1, rules);
        const endsHigh = below.at.fraction !== "" || !below.open;
        if (less !== undefined) options.push(`${digit(y, y)} ${endsHigh ? `(${less})?` : less}`);
        else if (endsHigh) options.push(digit(y, y));
      }
    }
    return options.length === 0 ? undefined : rules.of(options.join(" | "));
  };
  return write(0, digits);
}
