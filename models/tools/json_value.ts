/**
 * Finds the end of a JSON value while its text arrives.
 *
 * @module
 */

const SPACE = " \t\n\r";

/** Whether a unit is JSON's white space. */
export const isSpace = (unit: string) => SPACE.includes(unit);

/**
 * Takes the units of one JSON value, the first of which is no space. It looks at brackets, texts and
 * where literals end; what stands within is not checked further.
 */
export class JsonValue {
  /** Brackets that are open. */
  readonly #open: string[] = [];
  #inText = false;
  #escaped = false;
  #begun = false;

  /**
   * What the next unit did: more is wanted, it ended the value, it stands behind the value (which was
   * a number or a word), or it cannot stand there.
   */
  push(unit: string): "more" | "done" | "over" | "unreadable" {
    if (this.#inText) {
      if (this.#escaped) this.#escaped = false;
      else if (unit === "\\") this.#escaped = true;
      else if (unit === '"') {
        this.#inText = false;
        return this.#open.length === 0 ? "done" : "more";
      }
      return "more";
    }
    const first = !this.#begun;
    this.#begun = true;
    switch (unit) {
      case '"':
        if (!first && this.#open.length === 0) return "unreadable";
        this.#inText = true;
        return "more";
      case "{":
      case "[":
        if (!first && this.#open.length === 0) return "unreadable";
        this.#open.push(unit);
        return "more";
      case "}":
      case "]":
        if (this.#open.length === 0) return first ? "unreadable" : "over";
        if (this.#open.pop() !== (unit === "}" ? "{" : "[")) return "unreadable";
        return this.#open.length === 0 ? "done" : "more";
    }
    if (this.#open.length > 0) return "more";
    if (/[\w.+-]/.test(unit)) return "more";
    return first ? "unreadable" : "over";
  }
}
