/**
 * How long a JSON text takes to parse and to check, told by how many values it has: a text of 4 MB
 * parses in 15 ms, a list of two million numbers takes half a second.
 *
 * @module
 */
import { apiError } from "./errors.ts";

/** Characters up to which a text is parsed without a look: they hold few values. */
const LIGHT_CHARS = 128 * 1024;
/** Characters that are looked at in one turn of the event loop: about a millisecond. */
const TURN_CHARS = 256 * 1024;
/** What an object or a list counts; a value within one counts 1. */
const CONTAINER = 4;
/**
 * Most that a text may count. A prompt of 128,000 token ids fits, and a conversation of 20,000
 * messages; both take about 40 ms to parse and to check.
 */
export const MOST_WEIGHT = 150_000;

const [QUOTE, BACKSLASH, COMMA, BRACKET, BRACE] = [34, 92, 44, 91, 123];

/**
 * Looks at a large text before it is parsed, some of it in each turn of the event loop. Throws group
 * `api`, code `too_many_values` (metadata: `limit`).
 */
export async function checkWeight(text: string): Promise<void> {
  if (text.length <= LIGHT_CHARS) return;
  let weight = 0;
  let quoted = false;
  for (let at = 0; at < text.length;) {
    const end = Math.min(text.length, at + TURN_CHARS);
    while (at < end) {
      if (quoted) {
        // Behind a backslash stands a character of the text, a quote perhaps.
        const close = text.indexOf('"', at);
        if (close < 0) return; // not JSON: parsing says so
        let slashes = 0;
        while (text.charCodeAt(close - 1 - slashes) === BACKSLASH) slashes++;
        quoted = slashes % 2 === 1;
        at = close + 1;
        continue;
      }
      const code = text.charCodeAt(at++);
      if (code === QUOTE) quoted = true;
      else if (code === COMMA) weight++;
      else if (code === BRACKET || code === BRACE) weight += CONTAINER;
    }
    if (weight > MOST_WEIGHT) throw tooMany();
    await new Promise((resolve) => setTimeout(resolve));
  }
}

function tooMany() {
  const error = apiError(
    "too_many_values",
    `the request body has too many values: the number of values and ${CONTAINER} times that of ` +
      `lists and objects may be ${MOST_WEIGHT} together`,
  );
  error.metadata.limit = MOST_WEIGHT;
  return error;
}
