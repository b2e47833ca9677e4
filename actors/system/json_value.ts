/**
 * Values that JSON can write and read back as they were.
 *
 * @module
 */
import type { Json } from "./durable.ts";

/** Levels of lists and maps within each other that a value may have. */
const MOST_LEVELS = 64;

/**
 * The value as JSON text. Throws TypeError, naming the place and what stands there, for a value
 * that JSON would lose or change: a Date, a Map, bytes, a number that is not finite.
 */
export function jsonText(value: unknown, name = "value"): string {
  check(value, name, 0);
  return JSON.stringify(value);
}

/** A copy of JSON text's value that nobody can change. */
export function frozenJson(text: string): Json {
  return frozen(JSON.parse(text));
}

function check(value: unknown, place: string, level: number): void {
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number" && Number.isFinite(value)) return;
  if (level > MOST_LEVELS) {
    throw new TypeError(
      `${place} lies deeper than ${MOST_LEVELS} levels; expected a flatter value`,
    );
  }
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) check(item, `${place}[${i}]`, level + 1);
    return;
  }
  if (typeof value !== "object" || !isPlain(value)) {
    throw new TypeError(`${place} is ${kindOf(value)}; expected a value of JSON`);
  }
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined) check(item, `${place}.${key}`, level + 1); // JSON leaves it out
  }
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function kindOf(value: unknown): string {
  if (typeof value === "object" && value !== null) return value.constructor.name;
  return typeof value === "number" ? String(value) : typeof value;
}

function frozen(value: Json): Json {
  if (typeof value === "object" && value !== null) {
    for (const item of Object.values(value)) frozen(item);
    Object.freeze(value);
  }
  return value;
}
