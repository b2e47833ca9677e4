/**
 * The lines of an outline as a model writes them: the number or bullet of each, and its text.
 *
 * @module
 */

/** How a line is numbered. The lines of one list have the same style. */
export type Style =
  | "decimal"
  | "letter"
  | "roman"
  | "han"
  | "word"
  | "section"
  | "heading"
  | "bullet"
  | "symbol";

/** A line that is not empty. */
export interface Line {
  /** Columns of white space before it. Of a heading: its level, 1 to 6, or 7 for a line in bold. */
  indent: number;
  /** Undefined for running text. */
  style?: Style;
  /** Its number; of a letter its place in the alphabet, from 1. Undefined: it has none. */
  ordinal?: number;
  /** Its text without number, bullet, emphasis and explanation. */
  text: string;
}

/** Chinese digits: the index of each is its value. */
const HAN = "〇一二三四五六七八九十";
/**
 * Code points of the digit 0 in the scripts that models use for lists: ASCII, full width,
 * Arabic-Indic, Persian, Devanagari, Bengali, Thai.
 */
const DIGIT_ZEROS = [0x30, 0xff10, 0x660, 0x6f0, 0x966, 0x9e6, 0xe50];
const DIGITS = "[0-9０-９٠-٩۰-۹०-९০-৯๐-๙]{1,3}";
/**
 * Characters between a number and its text. A bare space is not enough: "3 apples" is not a point.
 */
const AFTER =
  "(?:\\s*[.)\\]:：．、）]{1,2}(?:\\s*[-–—]\\s)?|\\s+[-–—]|[-–—/](?=\\s)|\\s+(?:→|->|=>)\\s)";

const DECIMAL = new RegExp(`^[(\\[（]?(${DIGITS})${AFTER}\\s*(.*)$`, "u");
const NUMBER_WORDS = [
  "one",
  "two",
  "three",
  "four",
  "five",
  "six",
  "seven",
  "eight",
  "nine",
  "ten",
];
const WORD = new RegExp(
  `^(?:point|step|part|item|section|no\\.?|nr\\.?|№|punkt|schritt|punto|paso|étape|passo|ponto|stap|krok|пункт|шаг|步骤|ステップ|단계)\\s*` +
    `(${DIGITS}|(?:${NUMBER_WORDS.join("|")})(?=\\s*[.):\\-–—]))\\s*[.):：．\\-–—]*\\s*(.*)$`,
  "iu",
);
/** Matches `#1 A`. */
const HASH = new RegExp(`^#(${DIGITS})[.):]?\\s+(.*)$`, "u");
/** Matches `1st: A`. */
const SUFFIXED = /^([0-9]{1,3})(?:st|nd|rd|th)\s*[.,):]\s*(.*)$/i;
/** Matches `2.1 A`, which stands under point 2. */
const SECTION = new RegExp(`^${DIGITS}(?:\\.${DIGITS}){1,3}[.)]?\\s+(.*)$`, "u");
const HAN_NUMBER = new RegExp(
  `^[(（]?第?([${HAN}]{1,3})(?:点|步|項|项)?[、.．:：)）]\\s*(.*)$`,
  "u",
);
const ROMAN = /^[(\[]?((?:x{0,2})(?:ix|iv|v?i{0,3}))[.)\]]\s+(.*)$/i;
const LETTER = /^[(\[]?([a-zа-я])[.)\]]\s+(.*)$/iu;
const BULLET = /^[-*•·‣◦▪–—+]\s+(.*)$/u;
/** Matches arrows, ticks and emoji used as bullets. */
const SYMBOL =
  /^(?:[→➔➜➤▶►▸✓✔✦❖■□●○◆◇»]|\p{Extended_Pictographic})[\ufe0e\ufe0f]?\s+(\p{L}.*|\*.*)$/u;
const HEADING = /^(#{1,6})\s+(.*)$/;
/** Matches a line that is wholly in bold. */
const BOLD_LINE = /^(?:\*\*|__)([^*_]+)(?:\*\*|__)\s*:?$/;

/** Splits a line such as `1. A 2. B 3. C` into its points, if the numbers follow each other. */
export function splitInline(line: string): string[] {
  const first = /^(?:\s*|[^\d\n]{1,60}:\s+)[(\[（]?([0-9]{1,3})[.)\]）]/.exec(line);
  if (!first) return [line];
  const parts: string[] = [];
  let from = 0;
  if (first[0].includes(": ")) {
    from = first[0].lastIndexOf(": ") + 2;
    parts.push(line.slice(0, from));
  }
  const lead = parts.length;
  for (let next = Number(first[1]) + 1;; next++) {
    const at = new RegExp(`\\s[(\\[（]?${next}[.)\\]）]\\s*\\S`, "u").exec(line.slice(from + 1));
    if (!at) break;
    const cut = from + 1 + at.index;
    parts.push(line.slice(from, cut).replace(/,?\s+(?:and|und|et|y|e|en)$/i, ""));
    from = cut + 1;
  }
  // a single number after a colon, as in "In 1999: 2. place", is prose
  if (lead > 0 && parts.length === lead) return [line];
  return [...parts, line.slice(from)];
}

/** Reads a line: separates number, bullet, heading mark and emphasis from its text. */
export function readLine(raw: string): Line {
  const expanded = raw.replace(/\t/g, "    ");
  const indent = expanded.length - expanded.trimStart().length;
  // Heading marks, quote marks and emphasis may stand around the number: `### 1. A`, `**1.** A`,
  // `**1. A**`, `- **1.** A`.
  const trimmed = expanded.trim().replace(/^>\s+/, "");
  const heading = HEADING.exec(trimmed);
  const body = heading ? heading[2].trim() : trimmed;
  const bulleted = BULLET.exec(body);
  const inner = (bulleted ? bulleted[1] : body).trim().replace(/^\[[ xX]\]\s+/, "");
  const bare = inner.replace(/^(?:\*\*|__|\*|_)(?=\S)/, "");
  for (const candidate of bare === inner ? [inner] : [inner, bare]) {
    const found = numbered(candidate);
    if (found) {
      return {
        indent,
        ...found,
        text: pointText(candidate === inner ? found.text : `**${found.text}`),
      };
    }
  }
  if (bulleted) return { indent, style: "bullet", text: pointText(inner) };
  if (heading) return { indent: heading[1].length, style: "heading", text: pointText(body) };
  const bold = BOLD_LINE.exec(body);
  if (bold) return { indent: 7, style: "heading", text: clean(bold[1]) }; // 7: below every heading
  const symbol = SYMBOL.exec(body);
  if (symbol) return { indent, style: "symbol", text: pointText(symbol[1]) };
  return { indent, text: clean(body) };
}

/** The number at the beginning of a text and what follows it; undefined: there is none. */
function numbered(text: string): { style: Style; ordinal?: number; text: string } | undefined {
  let m = SECTION.exec(text);
  if (m) return { style: "section", text: m[1] };
  m = HASH.exec(text) ?? SUFFIXED.exec(text) ?? DECIMAL.exec(text);
  if (m) return { style: "decimal", ordinal: decimal(m[1]), text: m[2] };
  m = WORD.exec(text);
  if (m) {
    const word = NUMBER_WORDS.indexOf(m[1].toLowerCase()) + 1;
    return { style: "word", ordinal: word || decimal(m[1]), text: m[2] };
  }
  m = HAN_NUMBER.exec(text);
  if (m) return { style: "han", ordinal: han(m[1]), text: m[2] };
  m = ROMAN.exec(text);
  if (m && m[1] !== "") return { style: "roman", ordinal: roman(m[1]), text: m[2] };
  m = LETTER.exec(text);
  if (m) return { style: "letter", ordinal: letter(m[1]), text: m[2] };
  return undefined;
}

/**
 * Decides, in place, whether a line is numbered by a letter or a roman number: `i.` after `h.` is a
 * letter, and so are `c.`, `d.` after `b.`; `i.` alone or before `ii.` is a roman number.
 */
export function disambiguate(lines: Line[]): void {
  let before = 0;
  for (const line of lines) {
    if (line.style === "roman" && line.ordinal !== undefined) {
      const letter = ({ 1: 9, 5: 22, 10: 24 } as Record<number, number>)[line.ordinal];
      if (letter !== undefined && before === letter - 1) {
        Object.assign(line, { style: "letter", ordinal: letter });
      }
    }
    if (line.style === "letter") before = line.ordinal!;
  }
}

/**
 * The text of a point without its explanation and without a label such as `Title:`. Of `**Water**:
 * leaves lose much` it is the bold part.
 */
function pointText(text: string): string {
  const bare = text.replace(/^(?:title|point|heading|topic|headline)\s*[:：]\s*/i, "");
  const bold = /^(?:\*\*|__)([^*_]+?)(?:\s*[:：]\s*(?:\*\*|__)|(?:\*\*|__)\s*(?:[:：]|[-–—]\s))/
    .exec(bare);
  if (bold && clean(bold[1]) !== "") return clean(bold[1]);
  const whole = clean(bare);
  // Two to eight words before a colon or dash are the point, what follows explains it.
  const split = /^([^:：–—]+?)(?:\s*[:：]|\s[-–—])\s+(.+)$/.exec(whole);
  const words = (part: string) => part.trim().split(/\s+/).length;
  if (split && words(split[1]) >= 2 && words(split[1]) <= 8 && words(split[2]) >= 5) {
    return clean(split[1]);
  }
  return whole;
}

/** The text without links, emphasis, quotes around it, and punctuation at its end. */
function clean(text: string): string {
  const plain = text.replace(/\[([^\]]+)\]\([^()\s]*\)/g, "$1")
    .replace(/\*\*|__|`/g, "").replace(/^[*_]+|[*_]+$/g, "").trim()
    .replace(/\s*[:：.。;；,，]+$/u, "").trim();
  return /^"([^"]+)"$|^“([^”]+)”$|^«\s*([^»]+?)\s*»$|^„([^“”]+)[“”]$|^「([^」]+)」$/u.exec(plain)
    ?.slice(1)
    .find((q) => q) ?? plain;
}

/** Value of decimal digits of any of the scripts above. */
function decimal(digits: string): number {
  let value = 0;
  for (const c of digits) {
    const code = c.codePointAt(0)!;
    const zero = DIGIT_ZEROS.find((z) => code >= z && code <= z + 9)!;
    value = value * 10 + code - zero;
  }
  return value;
}

/** Place in the alphabet: 1 for Latin a and for Cyrillic а. */
function letter(text: string): number {
  const code = text.toLowerCase().charCodeAt(0);
  return code - (code >= 0x430 ? 0x42f : 0x60);
}

/** Value of a Chinese number from 0 to 99. */
function han(digits: string): number {
  const at = digits.indexOf("十");
  if (at < 0) return HAN.indexOf(digits[0]);
  const tens = at === 0 ? 1 : HAN.indexOf(digits[0]);
  return tens * 10 + (at + 1 < digits.length ? HAN.indexOf(digits[at + 1]) : 0);
}

/** Value of a roman number from 1 to 39. */
function roman(digits: string): number {
  const value: Record<string, number> = { i: 1, v: 5, x: 10 };
  const all = [...digits.toLowerCase()].map((c) => value[c]);
  return all.reduce((sum, v, i) => sum + (v < (all[i + 1] ?? 0) ? -v : v), 0);
}
