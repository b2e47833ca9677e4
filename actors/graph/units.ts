/**
 * Schemas of amounts as people write them in a graph or device file: `8 GB`, `100 Mbit/s`, `2 ms`,
 * layers `0-3`.
 *
 * @module
 */
import { z } from "zod";

/** Factor of each unit prefix. */
const POWERS: Record<string, number> = {
  "": 1,
  k: 1e3,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};
const NUMBER = String.raw`\d+(?:\.\d+)?`;
const PREFIX = "[kKMGT]i?|";
const SIZE = new RegExp(`^(${NUMBER}) ?(${PREFIX})B$`);
const RATE = new RegExp(`^(${NUMBER}) ?(${PREFIX})(bit|B)(?:/s|ps)$`);
const FLOPS = new RegExp(`^(${NUMBER}) ?(${PREFIX})FLOPS$`, "i");
const TIME = new RegExp(`^(${NUMBER}) ?(s|ms|us|ns)$`);
const LAYERS = /^(\d{1,4})(?:-(\d{1,4}))?$/;
/** Seconds of each unit of time. */
const SECONDS: Record<string, number> = { s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9 };

/** How an amount is written. */
interface Unit {
  /** Matches its text. */
  pattern: RegExp;
  /** What an error says was expected. */
  expected: string;
  /** Whether it may be 0. */
  least: "positive" | "nonnegative";
  /** The matched text in the base unit. */
  read(match: RegExpExecArray): number;
}

/**
 * Schema of a number in the base unit, or of a text with a unit. Its output is the number in the
 * base unit.
 */
function amount({ pattern, expected, least, read }: Unit) {
  const error = `expected ${expected}`;
  const number = least === "positive"
    ? z.number({ error }).positive({ error })
    : z.number({ error }).min(0, { error });
  const text = z.string().regex(pattern, { error });
  return z.union([number, text], { error }).transform((value, context) => {
    const result = typeof value === "number" ? value : read(pattern.exec(value)!);
    if (result > 0 || (result === 0 && least === "nonnegative")) return result;
    context.addIssue({ code: "custom", message: error });
    return z.NEVER;
  });
}

/** A size; output in bytes. */
export const sizeSchema = amount({
  pattern: SIZE,
  expected: 'a size in bytes such as 8000000000, "8 GB" or "7.5 GiB"',
  least: "nonnegative",
  read: (m) => Math.floor(Number(m[1]) * POWERS[m[2]]),
});

/** A rate, in text also in bits; output in bytes a second. */
export const rateSchema = amount({
  pattern: RATE,
  expected: 'a rate in bytes per second such as 12500000, "12.5 MB/s" or "100 Mbit/s"',
  least: "positive",
  read: (m) => Number(m[1]) * POWERS[m[2]] / (m[3] === "bit" ? 8 : 1),
});

/**
 * A computing speed; output in floating point operations a second. They are counted as in data
 * sheets: a multiplication with its addition is two.
 */
export const flopsSchema = amount({
  pattern: FLOPS,
  expected: 'floating point operations per second such as 2e11 or "200 GFLOPS"',
  least: "positive",
  read: (m) => Number(m[1]) * (POWERS[m[2]] ?? POWERS[m[2].toUpperCase()]),
});

/** A time; output in seconds. */
export const timeSchema = amount({
  pattern: TIME,
  expected: 'a time in seconds such as 0.002 or "2 ms"',
  least: "nonnegative",
  read: (m) => Number(m[1]) * SECONDS[m[2]],
});

/** Layers `"4"`, `4` or `"0-3"`, 0-based; output `{first, last}`, both inclusive. */
export const layersSchema = z.union([
  z.int().nonnegative(),
  z.string().regex(LAYERS, { error: 'expected layers such as "0-3" or "4"' }),
], { error: 'expected layers such as "0-3" or "4"' }).transform((value, context) => {
  const match = LAYERS.exec(String(value));
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (last >= first) return { first, last };
  context.addIssue({
    code: "custom",
    message: "expected a range that does not end before it begins",
  });
  return z.NEVER;
});
