/**
 * How long the JSON text of a constraint is at least, without writing it: a schema as large as a
 * request may be takes 0.1 s to write, in which nothing else of the thread runs.
 *
 * @module
 */
import { MOST_SPEC_CHARS, tooLarge } from "./errors.ts";

/**
 * Refuses a constraint whose JSON text is certainly too long: `model/grammar_too_large`. It looks at
 * no more of it than would fit. What passes may yet be too long, by the escapes in its strings.
 */
export function checkSpecSize(spec: unknown): void {
  let chars = 0;
  const left: unknown[] = [spec];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value === "string") chars += value.length + 2;
    else if (Array.isArray(value)) {
      chars += value.length + 1;
      // Each of them has a character and a comma.
      if (chars + value.length <= MOST_SPEC_CHARS) { for (const item of value) left.push(item); }
    } else if (typeof value === "object" && value !== null) {
      chars += 2;
      for (const key in value) {
        chars += key.length + 4;
        if (chars > MOST_SPEC_CHARS) break;
        left.push((value as Record<string, unknown>)[key]);
      }
    } else chars++;
    if (chars > MOST_SPEC_CHARS) throw tooLarge("characters or more", chars, MOST_SPEC_CHARS);
  }
}
