/**
 * Regular expressions of ECMA-262 as JSON schema uses them, without what no grammar can say.
 *
 * @module
 */
import { ANY, type Chars, charsIn, charsOf, invert, unite, without } from "../chars.ts";
import { grammarRefused } from "../errors.ts";
import { propertyChars } from "./properties.ts";

/** A regular expression's parts. */
export type Regex =
  | { type: "chars"; set: Chars }
  | { type: "sequence"; parts: Regex[] }
  | { type: "choice"; options: Regex[] }
  /** `most` is Infinity where it has no limit. */
  | { type: "repeat"; of: Regex; least: number; most: number }
  /** The text's begin (`^`) or end (`$`). */
  | { type: "anchor"; at: "begin" | "end" };

/** Deepest nesting of groups. */
const MOST_DEPTH = 100;

/** Largest number of a repetition. */
const MOST_REPEATS = 10_000;

const DIGIT = charsOf([[48, 57]]);
const WORD = charsOf([[48, 57], [65, 90], [95, 95], [97, 122]]);
const SPACE = unite(
  charsIn("\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"),
  charsOf([[0x2000, 0x200a]]),
);
const NEWLINE = charsIn("\n\r\u2028\u2029");
const CLASSES: Record<string, Chars> = {
  d: DIGIT,
  D: invert(DIGIT),
  w: WORD,
  W: invert(WORD),
  s: SPACE,
  S: invert(SPACE),
};
const CONTROLS: Record<string, number> = { t: 9, n: 10, v: 11, f: 12, r: 13, "0": 0 };

/** Reads a pattern. Throws OrreryError `model/grammar_invalid`. */
export function parseRegex(pattern: string): Regex {
  return new Reader(pattern).read();
}

/** The empty text. */
export const NOTHING: Regex = { type: "sequence", parts: [] };

class Reader {
  readonly #pattern: string;
  readonly #chars: string[];
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#chars = [...pattern];
  }

  read(): Regex {
    const regex = this.#choice();
    if (this.#at < this.#chars.length) throw this.#fail(`")" without "("`);
    return regex;
  }

  #choice(): Regex {
    if (++this.#depth > MOST_DEPTH) throw this.#fail(`more than ${MOST_DEPTH} nested groups`);
    const options = [this.#sequence()];
    while (this.#take("|")) options.push(this.#sequence());
    this.#depth--;
    return options.length === 1 ? options[0] : { type: "choice", options };
  }

  #sequence(): Regex {
    const parts: Regex[] = [];
    while (this.#at < this.#chars.length && this.#peek !== "|" && this.#peek !== ")") {
      parts.push(this.#repeated(this.#atom()));
    }
    return parts.length === 1 ? parts[0] : { type: "sequence", parts };
  }

  #repeated(of: Regex): Regex {
    const range = this.#quantifier();
    if (!range) return of;
    if (of.type === "anchor") throw this.#fail("an anchor cannot be repeated");
    this.#take("?"); // a lazy quantifier matches the same texts
    if (this.#quantifier()) throw this.#fail("two quantifiers in a row");
    const [least, most] = range;
    if (least > most) throw this.#fail(`{${least},${most}} is out of order`);
    const largest = most === Infinity ? least : most;
    if (largest > MOST_REPEATS) throw this.#fail(`more than ${MOST_REPEATS} repetitions`);
    return { type: "repeat", of, least, most };
  }

  #quantifier(): [number, number] | undefined {
    if (this.#take("*")) return [0, Infinity];
    if (this.#take("+")) return [1, Infinity];
    if (this.#take("?")) return [0, 1];
    if (this.#peek !== "{") return undefined;
    const text = this.#chars.slice(this.#at, this.#at + 24).join("");
    const match = /^\{(\d+)(,(\d*))?\}/.exec(text);
    if (!match) return undefined;
    this.#at += match[0].length;
    const least = Number(match[1]);
    return [least, match[2] === undefined ? least : match[3] === "" ? Infinity : Number(match[3])];
  }

  #atom(): Regex {
    const char = this.#next();
    if (char === "^") return { type: "anchor", at: "begin" };
    if (char === "$") return { type: "anchor", at: "end" };
    if (char === ".") return { type: "chars", set: invert(NEWLINE) };
    if (char === "[") return { type: "chars", set: this.#class() };
    if (char === "(") return this.#group();
    if (char === "\\") return { type: "chars", set: this.#escape(false) };
    if ("*+?".includes(char)) throw this.#fail(`nothing stands before "${char}"`);
    return { type: "chars", set: charsIn(char) };
  }

  #group(): Regex {
    if (this.#take("?") && !this.#take(":")) {
      const name = /^<([A-Za-z_$][\w$]*)>/.exec(
        this.#chars.slice(this.#at, this.#at + 100).join(""),
      );
      if (!name) throw this.#fail("lookaround and flags in groups are not supported");
      this.#at += name[0].length;
    }
    const inside = this.#choice();
    if (!this.#take(")")) throw this.#fail(`"(" without ")"`);
    return inside;
  }

  #class(): Chars {
    const inverted = this.#take("^");
    const sets: Chars[] = [];
    while (!this.#take("]")) {
      const from = this.#classAtom();
      const dash = this.#peek === "-" && this.#chars[this.#at + 1] !== "]";
      if (!dash || from.length !== 2 || from[0] !== from[1]) {
        sets.push(from);
        continue;
      }
      this.#at++;
      const to = this.#classAtom();
      if (to.length !== 2 || to[0] !== to[1]) sets.push(from, charsIn("-"), to);
      else if (to[0] < from[0]) throw this.#fail("a range of characters is out of order");
      else sets.push(charsOf([[from[0], to[0]]]));
    }
    const set = unite(...sets);
    return inverted ? invert(set) : set;
  }

  #classAtom(): Chars {
    const char = this.#next();
    return char === "\\" ? this.#escape(true) : charsIn(char);
  }

  #escape(inClass: boolean): Chars {
    const char = this.#next();
    if (char in CLASSES) return CLASSES[char];
    if (char in CONTROLS && !(char === "0" && /\d/.test(this.#peek))) {
      return charsOf([[CONTROLS[char], CONTROLS[char]]]);
    }
    if (char === "b" && inClass) return charsOf([[8, 8]]);
    if (char === "b" || char === "B") throw this.#fail(`\\${char} is not supported`);
    if (char === "k" || /[1-9]/.test(char)) throw this.#fail("back references are not supported");
    if (char === "p" || char === "P") return this.#property(char === "P");
    if (char === "c") {
      const code = this.#next().charCodeAt(0) % 32;
      return charsOf([[code, code]]);
    }
    if (char === "x") return this.#hex(2);
    if (char === "u") return this.#take("{") ? this.#hex(0) : this.#hex(4);
    return charsIn(char);
  }

  /** A code point of `digits` hexadecimal digits; 0: up to "}". */
  #hex(digits: number): Chars {
    let text = "";
    while (digits === 0 ? this.#peek !== "}" : text.length < digits) text += this.#next();
    if (digits === 0) this.#at++;
    let code = /^[0-9a-fA-F]{1,6}$/.test(text) ? parseInt(text, 16) : Infinity;
    const low = this.#chars.slice(this.#at, this.#at + 6).join("");
    if (code >= 0xd800 && code < 0xdc00 && /^\\u[dD][c-fC-F][0-9a-fA-F]{2}$/.test(low)) {
      this.#at += 6;
      code = 0x10000 + (code - 0xd800) * 0x400 + parseInt(low.slice(2), 16) - 0xdc00;
    }
    if (code > 0x10ffff) throw this.#fail(`"${text}" is no character`);
    return charsOf([[code, code]]);
  }

  #property(inverted: boolean): Chars {
    let name = "";
    if (!this.#take("{")) throw this.#fail("\\p needs a property in braces");
    while (!this.#take("}")) name += this.#next();
    const set = propertyChars(name);
    if (!set) throw this.#fail(`\\p{${name}} is not known`);
    return inverted ? without(ANY, set) : set;
  }

  get #peek(): string {
    return this.#chars[this.#at] ?? "";
  }

  #take(char: string): boolean {
    if (this.#peek !== char) return false;
    this.#at++;
    return true;
  }

  #next(): string {
    if (this.#at >= this.#chars.length) throw this.#fail("it ends too early");
    return this.#chars[this.#at++];
  }

  #fail(why: string) {
    const pattern = this.#pattern.length > 80 ? `${this.#pattern.slice(0, 80)}...` : this.#pattern;
    return grammarRefused("pattern", `${JSON.stringify(pattern)} at character ${this.#at}: ${why}`);
  }
}
