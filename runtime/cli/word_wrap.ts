/**
 * Breaks text at words while it is generated, for terminals.
 *
 * @module
 */

/** Characters that take two columns: East Asian scripts, full-width forms, pictures. */
const WIDE =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Emoji_Presentation}|[\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u;
/** Characters that take none: marks on the one before, joiners, controls. */
const NARROW = /\p{M}|\p{Cf}|\p{Cc}/u;

/** Columns that a text takes on a terminal. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const char of text) columns += NARROW.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return columns;
}

/**
 * Control characters of a model's text are not sent to a terminal: they could move its cursor or
 * change its title. Tabs become spaces.
 */
export const printable = (text: string): string =>
  // deno-lint-ignore no-control-regex -- these are what is removed
  text.replaceAll("\t", "    ").replaceAll(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/g, "");

/** Breaks a text that comes in pieces at words, before it is wider than the terminal. */
export class WordWrap {
  readonly #width: number;
  /** Columns of the line that were printed. */
  #at = 0;
  /** Spaces and the begin of a word, not printed yet: whether it fits is not known. */
  #spaces = "";
  #word = "";

  /** `width`: columns of a line; at least 1. */
  constructor(width: number) {
    this.#width = Math.max(1, width);
  }

  /** What can be printed of the text now; the last word is kept until it is whole. */
  push(text: string): string {
    let out = "";
    for (const char of printable(text)) {
      if (char === "\n") {
        out += this.#flush() + "\n";
        this.#at = 0;
        this.#spaces = ""; // at the end of a line nobody sees them
      } else if (char === " ") {
        out += this.#flush();
        this.#spaces += " ";
      } else {
        if (WIDE.test(char)) out += this.#flush(); // such scripts have no spaces
        this.#word += char;
        // A word wider than the terminal is broken where the line ends.
        if (columnsOf(this.#word) >= this.#width) out += this.#flush();
      }
    }
    return out;
  }

  /** The rest, at the end of the text. */
  end(): string {
    return this.#flush();
  }

  #flush(): string {
    if (this.#word === "") return "";
    const word = this.#word, spaces = this.#spaces;
    this.#word = this.#spaces = "";
    const columns = columnsOf(word);
    if (this.#at > 0 && this.#at + spaces.length + columns > this.#width) {
      this.#at = columns;
      return "\n" + word;
    }
    this.#at += spaces.length + columns;
    return spaces + word;
  }
}

/** The lines of a whole text, broken at words. */
export function wrappedLines(text: string, width: number): string[] {
  const wrap = new WordWrap(width);
  return (wrap.push(text) + wrap.end()).split("\n");
}
