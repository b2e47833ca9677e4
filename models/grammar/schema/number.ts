/**
 * Numbers as grammars.
 *
 * @module
 */
import { unsupported } from "../errors.ts";
import { literal, repeat, type Rules } from "../ebnf.ts";
import type { NumberBranch } from "./branch.ts";
import { compare, type Decimal, decimalOf, type Limit, MOST_WHOLE, rangeOf } from "./decimal.ts";

/** Most digits behind the point. */
const MOST_FRACTION = 20;

/** Most numbers of a range that are written one by one. */
const MOST_LISTED = 1000;

/** Largest number of which multiples are counted without limits. */
const MOST_MODULUS = 200;

/** Does the branch allow this number? Without one: does it allow any? */
export function bounded(branch: NumberBranch, value: number | undefined): boolean {
  const { integer, min, max, multiples } = branch;
  if (value !== undefined) {
    return !(integer && !Number.isInteger(value)) &&
      !(min && (value < min.value || min.open && value === min.value)) &&
      !(max && (value > max.value || max.open && value === max.value)) &&
      multiples.every((multiple) => isMultiple(value, multiple));
  }
  if (min && max) {
    if (min.value > max.value || min.value === max.value && (min.open || max.open)) return false;
    if (min.value === max.value) return bounded(branch, min.value);
  }
  if (integer || multiples.some(Number.isInteger)) {
    const low = min && (min.open ? Math.floor(min.value) + 1 : Math.ceil(min.value));
    const high = max && (max.open ? Math.ceil(max.value) - 1 : Math.floor(max.value));
    if (low !== undefined && high !== undefined && low > high) return false;
  }
  const listed = multiples.length > 0 ? listOf(branch) : undefined;
  return listed === undefined || listed.length > 0;
}

/** Exactly, by the decimals that were written. */
function isMultiple(value: number, of: number): boolean {
  const [a, b] = [decimalOf(value), decimalOf(of)];
  const digits = Math.max(a.fraction.length, b.fraction.length);
  return scaled(a, digits) % scaled(b, digits) === 0n;
}

const scaled = ({ whole, fraction }: Decimal, digits: number) =>
  whole * 10n ** BigInt(digits) + BigInt(fraction.padEnd(digits, "0") || "0");

/** The multiples in a range, where there are few; undefined: too many, or no range. */
function listOf(branch: NumberBranch): string[] | undefined {
  const { min, max, multiples } = branch;
  if (!min || !max) return undefined;
  const decimals = multiples.map(decimalOf);
  const digits = Math.max(
    ...[...decimals, decimalOf(min.value), decimalOf(max.value)].map((d) => d.fraction.length),
  );
  const sign = (value: number) => value < 0 ? -1n : 1n;
  const low = sign(min.value) * scaled(decimalOf(min.value), digits);
  const high = sign(max.value) * scaled(decimalOf(max.value), digits);
  const step = decimals.map((d) => scaled(d, digits)).reduce(commonMultiple, 1n);
  if ((high - low) / step > MOST_LISTED) return undefined;
  const list: string[] = [];
  for (let value = -(-low / step) * step - step; value <= high; value += step) {
    if (value < low || value === low && min.open || value === high && max.open) continue;
    const text = String(value < 0n ? -value : value).padStart(digits + 1, "0");
    const whole = text.slice(0, text.length - digits);
    const fraction = text.slice(text.length - digits).replace(/0+$/, "");
    if (branch.integer && fraction !== "") continue;
    list.push(`${value < 0n ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`);
  }
  return list;
}

function commonMultiple(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return a / x * b;
}

/** A part of a sequence for the branch's numbers, of which there is one. */
export function writeNumber(branch: NumberBranch, rules: Rules): string {
  const { min, max, path } = branch;
  const multiples = branch.multiples.filter((multiple) => !(branch.integer && multiple === 1));
  let { integer } = branch;
  let digits = MOST_FRACTION;
  if (multiples.length > 0) {
    const list = listOf(branch);
    if (list) return rules.of(list.map(literal).join(" | "));
    const step = multiples.map(decimalOf);
    const power = step.every(({ whole, fraction }) => whole === 0n && /^0*1$/.test(fraction));
    if (power) digits = Math.min(...step.map(({ fraction }) => fraction.length));
    else if (step.every(({ fraction }) => fraction === "")) {
      const modulus = step.map(({ whole }) => whole).reduce(commonMultiple, 1n);
      if (modulus > 1n) return multiplesOf(branch, modulus, rules);
      integer = true;
    } else {
      throw unsupported("multipleOf", path, "give a minimum and a maximum, or a power of ten");
    }
  }
  if (!min && !max) {
    const whole = `("0" | [1-9] ${repeat("[0-9]", 0, MOST_WHOLE - 1)})`;
    if (integer) return rules.of(`"-"? ${whole}`);
    const exponent = digits === MOST_FRACTION ? ` ([eE] [+\\-]? [0-9]{1,2})?` : "";
    return rules.of(`"-"? ${whole} ("." ${repeat("[0-9]", 1, digits)})?${exponent}`);
  }
  return rules.of(signed(branch, { digits: integer ? 0 : digits, rules }).join(" | "));
}

/** Alternatives for the numbers of a range. */
function signed(
  { min, max }: NumberBranch,
  { digits, rules }: { digits: number; rules: Rules },
): string[] {
  const options: string[] = [];
  const limit = (value: number, open: boolean): Limit => ({ at: decimalOf(value), open });
  const zero: Limit = { at: decimalOf(0), open: false };
  if (!max || max.value > 0 || max.value === 0 && !max.open) {
    const low = min && min.value >= 0 ? limit(min.value, min.open) : zero;
    options.push(...rangeOf(low, max && limit(max.value, max.open), { digits, rules }));
  }
  if (!min || min.value < 0) {
    const low = max && max.value < 0 ? limit(max.value, max.open) : { ...zero, open: true };
    const high = min && limit(min.value, min.open);
    if (!high || compare(low.at, high.at) <= 0) {
      options.push(...rangeOf(low, high, { digits, rules }).map((option) => `"-" ${option}`));
    }
  }
  return options;
}

/** Whole numbers that `modulus` divides, by what their digits leave as a remainder. */
function multiplesOf({ min, max, path }: NumberBranch, modulus: bigint, rules: Rules): string {
  const simple = !max && (!min || min.value === 0 || min.value === 1 && !min.open);
  if (!simple || modulus > BigInt(MOST_MODULUS)) {
    throw unsupported(
      "multipleOf",
      path,
      `with these limits it allows more than ${MOST_LISTED} numbers; narrow them`,
    );
  }
  const size = Number(modulus);
  const names = Array.from({ length: size }, () => rules.reserve());
  names.forEach((name, remainder) => {
    const options = remainder === 0 ? [`""`] : [];
    for (let d = 0; d < 10; d++) options.push(`"${d}" ${names[(remainder * 10 + d) % size]}`);
    rules.set(name, options.join(" | "));
  });
  const first = Array.from({ length: 9 }, (_, i) => `"${i + 1}" ${names[(i + 1) % size]}`);
  const zero = min && (min.value > 0 || min.open) ? [] : [`"0"`];
  const positive = rules.of([...zero, ...first].join(" | "));
  return min ? positive : rules.of(`"-"? ${positive}`);
}
