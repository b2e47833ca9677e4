/**
 * Lines of an outline as a model writes them: what number or bullet each has, and its text.
 *
 * @module
 */

/** How a line is numbered. A list is made of lines of one style. */
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
  /** Columns of white space before it; of a heading its level, 1 to 6, and 7 for a line in bold. */
  indent: number;
  /** Undefined for running text. */
  style?: Style;
  /** Its number, of letters the place in the alphabet. */
  ordinal?: number;
  /** Without number, bullet, emphasis and explanation. */
  text: string;
}

const HAN = "〇一二三四五六七八九十";
/**
 * Digits of other scripts that models use for lists: full width, Arabic-Indic, Persian, Devanagari,
 * Bengali, Thai.
 */
const DIGIT_ZEROS = [0x30, 0xff10, 0x660, 0x6f0, 0x966, 0x9e6, 0xe50];
const DIGITS = "[0-9０-９٠-٩۰-۹०-९০-৯๐-๙]{1,3}";
/**
 * What may stand between a number and its text. A bare space does not make a point: "3 apples" is
 * no list.
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
/** `#1 A`, `1st: A`. */
const HASH = new RegExp(`^#(${DIGITS})[.):]?\\s+(.*)$`, "u");
const SUFFIXED = /^([0-9]{1,3})(?:st|nd|rd|th)\s*[.,):]\s*(.*)$/i;
/** `2.1 A` stands under point 2. */
const SECTION = new RegExp(`^${DIGITS}(?:\\.${DIGITS}){1,3}[.)]?\\s+(.*)$`, "u");
const HAN_NUMBER = new RegExp(
  `^[(（]?第?([${HAN}]{1,3})(?:点|步|項|项)?[、.．:：)）]\\s*(.*)$`,
  "u",
);
const ROMAN = /^[(\[]?((?:x{0,2})(?:ix|iv|v?i{0,3}))[.)\]]\s+(.*)$/i;
const LETTER = /^[(\[]?([a-zа-я])[.)\]]\s+(.*)$/iu;
const BULLET = /^[-*•·‣◦▪–—+]\s+(.*)$/u;
/** Arrows, ticks and emoji as bullets. */
const SYMBOL =
  /^(?:[→➔➜➤▶►▸✓✔✦❖■□●○◆◇»]|\p{Extended_Pictographic})[\ufe0e\ufe0f]?\s+(\p{L}.*|\*.*)$/u;
const HEADING = /^(#{1,6})\s+(.*)$/;
/** A line in bold, all of it. */
const BOLD_LINE = /^(?:\*\*|__)([^*_]+)(?:\*\*|__)\s*:?$/;

/** `1. A 2. B 3. C` on one line becomes three lines, if the numbers follow each other. */
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
  if (lead > 0 && parts.length === lead) return [line]; // "In 1999: 2. place" is prose
  return [...parts, line.slice(from)];
}

/** Takes number, bullet, heading and emphasis off a line. */
export function readLine(raw: string): Line {
  const expanded = raw.replace(/\t/g, "    ");
  const indent = expanded.length - expanded.trimStart().length;
  // Headings, quotes and emphasis around the number: `### 1. A`, `**1.** A`, `**1. A**`,
  // `- **1.** A`.
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
  if (bold) return { indent: 7, style: "heading", text: clean(bold[1]) }; // below every heading
  const symbol = SYMBOL.exec(body);
  if (symbol) return { indent, style: "symbol", text: pointText(symbol[1]) };
  return { indent, text: clean(body) };
}

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
 * Changes styles in place: `i.` after `h.` is a letter, and so are `c.`, `d.` after `b.`; `i.`
 * alone or before `ii.` is a roman number.
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
 * What a point is about: of `**Water**: leaves lose much` the bold part, and no label such as
 * `Title:`.
 */
function pointText(text: string): string {
  const bare = text.replace(/^(?:title|point|heading|topic|headline)\s*[:：]\s*/i, "");
  const bold = /^(?:\*\*|__)([^*_]+?)(?:\s*[:：]\s*(?:\*\*|__)|(?:\*\*|__)\s*(?:[:：]|[-–—]\s))/
    .exec(bare);
  if (bold && clean(bold[1]) !== "") return clean(bold[1]);
  const whole = clean(bare);
  // A heading of two to eight words, and then its explanation.
  const split = /^([^:：–—]+?)(?:\s*[:：]|\s[-–—])\s+(.+)$/.exec(whole);
  const words = (part: string) => part.trim().split(/\s+/).length;
  if (split && words(split[1]) >= 2 && words(split[1]) <= 8 && words(split[2]) >= 5) {
    return clean(split[1]);
  }
  return whole;
}

/** Without links, emphasis, quotes around it and the colon or full stop at the end. */
function clean(text: string): string {
  const plain = text.replace(/\[([^\]]+)\]\([^()\s]*\)/g, "$1")
    .replace(/\*\*|__|`/g, "").replace(/^[*_]+|[*_]+$/g, "").trim()
    .replace(/\s*[:：.。;；,，]+$/u, "").trim();
  return /^"([^"]+)"$|^“([^”]+)”$|^«\s*([^»]+?)\s*»$|^„([^“”]+)[“”]$|^「([^」]+)」$/u.exec(plain)
    ?.slice(1)
    .find((q) => q) ?? plain;
}

function decimal(digits: string): number {
  let value = 0;
  for (const c of digits) {
    const code = c.codePointAt(0)!;
    const zero = DIGIT_ZEROS.find((z) => code >= z && code <= z + 9)!;
    value = value * 10 + code - zero;
  }
  return value;
}

/** 1 for a and for Cyrillic а. */
function letter(text: string): number {
  const code = text.toLowerCase().charCodeAt(0);
  return code - (code >= 0x430 ? 0x42f : 0x60);
}

function han(digits: string): number {
  const at = digits.indexOf("十");
  if (at < 0) return HAN.indexOf(digits[0]);
  const tens = at === 0 ? 1 : HAN.indexOf(digits[0]);
  return tens * 10 + (at + 1 < digits.length ? HAN.indexOf(digits[at + 1]) : 0);
}

function roman(digits: string): number {
  const value: Record<string, number> = { i: 1, v: 5, x: 10 };
  const all = [...digits.toLowerCase()].map((c) => value[c]);
  return all.reduce((sum, v, i) => sum + (v < (all[i + 1] ?? 0) ? -v : v), 0);
}
