/**
 * Reads arguments as Gemma writes them, `{city:<|"|>Rome<|"|>,days:2}`: keys without quotes, texts
 * between marks of their own.
 *
 * @module
 */

/** Longest word that is no text, in UTF-16 units. */
const MOST_WORD = 1_000;

/** Takes the units of one object; gives JSON text. */
export class GemmaValue {
  /** The mark at the begin and at the end of a text. */
  readonly #mark: string;
  readonly #open: string[] = [];
  /** A key, number or word under way, or the begin of a mark. */
  #word = "";
  #inText = false;

  /** `mark` stands around texts. */
  constructor(mark: string) {
    this.#mark = mark;
  }

  /** What the next unit makes certain, and whether the object has ended; undefined: it is none. */
  push(unit: string): { json: string; ended: boolean } | undefined {
    return this.#inText ? this.#text(unit) : this.#outside(unit);
  }

  #text(unit: string): { json: string; ended: boolean } {
    this.#word += unit;
    let json = "";
    while (this.#word !== "" && !this.#mark.startsWith(this.#word)) {
      json += escaped(this.#word[0]);
      this.#word = this.#word.slice(1);
    }
    if (this.#word === this.#mark) {
      [this.#word, this.#inText] = ["", false];
      json += '"';
    }
    return { json, ended: false };
  }

  #outside(unit: string): { json: string; ended: boolean } | undefined {
    if (this.#word.length > MOST_WORD) return undefined;
    if (this.#word !== "" && this.#mark.startsWith(this.#word + unit) || unit === this.#mark[0]) {
      this.#word += unit;
      if (this.#word !== this.#mark) return { json: "", ended: false };
      [this.#word, this.#inText] = ["", true];
      return { json: '"', ended: false };
    }
    if (!"{}[],:".includes(unit)) {
      this.#word += unit;
      return { json: "", ended: false };
    }
    const word = this.#word.trim();
    this.#word = "";
    // A key in marks was told as a text; one in quotes is told as it is.
    if (unit === ":") {
      const key = word === "" || word.startsWith('"') ? word : JSON.stringify(word);
      return { json: `${key}:`, ended: false };
    }
    let json = word === "" ? "" : literal(word);
    if (unit === "{" || unit === "[") this.#open.push(unit);
    else if (unit !== ",") {
      if (this.#open.pop() !== (unit === "}" ? "{" : "[")) return undefined;
    }
    json += unit;
    return { json, ended: this.#open.length === 0 };
  }
}

/** A unit of a text as JSON has it. Halves of a pair stay as they are. */
const escaped = (unit: string): string =>
  /[\ud800-\udfff]/.test(unit) ? unit : JSON.stringify(unit).slice(1, -1);

/** A word as JSON: a number, `true`, `null`; else a text that its writer left without marks. */
function literal(word: string): string {
  try {
    JSON.parse(word);
    return word;
  } catch {
    return JSON.stringify(word);
  }
}
