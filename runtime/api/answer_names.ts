/**
 * Names and times in a response, which are the same each time that the response is made again.
 *
 * @module
 */
import { freshId, nowS } from "./ids.ts";

/** Ids of a response and of its parts, and when it was made. */
export interface AnswerNames {
  /** The next id, with this prefix. */
  id(prefix: string): string;
  /** Unix seconds. */
  createdS: number;
}

/** Names of a response that is made once. */
export const freshNames = (): AnswerNames => ({ id: freshId, createdS: nowS() });

/** Digits of an id that count the ids of one response. */
const COUNTER_DIGITS = 4;

/**
 * Names of the response to a journalled request: the first id has the request's own digits, the
 * others count on. `id`: 32 hexadecimal digits.
 */
export function namesOf(id: string, createdS: number): AnswerNames {
  let next = Number.parseInt(id.slice(-COUNTER_DIGITS), 16);
  return {
    id: (prefix) => {
      const count = (next++ % 16 ** COUNTER_DIGITS).toString(16).padStart(COUNTER_DIGITS, "0");
      return prefix + id.slice(0, -COUNTER_DIGITS) + count;
    },
    createdS,
  };
}
