/**
 * Rewrites lists of other forms as lines with numbers or bullets: tables, JSON, HTML, LaTeX, emoji,
 * and ordinals in running text.
 *
 * @module
 */

/**
 * Removes what is not part of the answer, as a model's thoughts, and rewrites lists of every form
 * as numbered or bulleted lines.
 */
export function plainLists(text: string): string {
  const bare = text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n").replace(
    /[\u00a0\u2007\u202f]/g,
    " ",
  )
    .replace(/<(think|thinking|reasoning)>[\s\S]*?(?:<\/\1>|$)/gi, "");
  // In a text that already has a list of lines, JSON and HTML are part of the points' texts.
  const listed = (bare.match(/^[ \t]*(?:[-*•]|[0-9]{1,3}[.)])\s/gm)?.length ?? 0) > 1;
  const json = listed ? undefined : fromJson(bare);
  if (json !== undefined) return json;
  const tags = listed
    ? bare.replace(/<br\s*\/?>[ \t]*$/gim, "").replace(/<(b|strong)>([^<>\n]*)<\/\1>/gi, "**$2**")
    : fromHtml(bare);
  const lines = tags.replace(/^[ \t]*(?:```|~~~).*$/gm, "")
    .replace(/^([ \t]*)\\item\b(?:\[[^\]]*\])?/gm, "$1-")
    .replace(/^[ \t]*\\(?:begin|end)\{.*\}[ \t]*$/gm, "");
  return fromTable(fromSymbols(lines));
}

/** Rewrites keycap and circled numbers as `1.` */
function fromSymbols(text: string): string {
  return text
    .replace(
      /((?:[0-9]\ufe0f?\u20e3)+)\s*[.):-]?\s*/g,
      (_, keys: string) => `${keys.replace(/[^0-9]/g, "")}. `,
    )
    .replace(/🔟\s*/gu, "10. ")
    .replace(/[\u2460-\u2473]\s*[.):]?\s*/g, (c) => `${c.charCodeAt(0) - 0x245f}. `)
    .replace(/[\u2776-\u277f]\s*[.):]?\s*/g, (c) => `${c.charCodeAt(0) - 0x2775}. `);
}

const ENTITIES: Record<string, string> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  "#39": "'",
  nbsp: " ",
};

/**
 * Rewrites list items as bullets, indented by their depth, and removes other tags of running text.
 */
function fromHtml(text: string): string {
  if (!/<(?:li|br|h[1-6]|p|b|strong)\b/i.test(text)) return text;
  let depth = 0;
  const marked = text.replace(
    /<(\/?)([a-z][a-z0-9]{0,9})\b[^<>]{0,200}>/gi,
    (all, end: string, name: string) => {
      const tag = name.toLowerCase();
      if (tag === "ul" || tag === "ol") {
        depth = Math.max(0, depth + (end ? -1 : 1));
        return "\n";
      }
      if (tag === "li") return end ? "\n" : `\n${"    ".repeat(Math.max(0, depth - 1))}- `;
      if (/^h[1-6]$/.test(tag)) return end ? "\n" : `\n${"#".repeat(Number(tag[1]))} `;
      if (tag === "b" || tag === "strong") return "**";
      if (tag === "br" || tag === "p" || tag === "div") return "\n";
      return /^(?:i|em|u|span|a|code)$/.test(tag) ? "" : all;
    },
  );
  // Joins an item with its text where that stands on the next line.
  return marked.replace(/^([ \t]*-)[ \t]*\n\s*(?=[^\s-])/gm, "$1 ")
    .replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (_, name: string) => ENTITIES[name]);
}

/** Matches the line between a Markdown table's header and its rows. */
const RULER = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;
/** Matches a table cell that is empty or holds only a number. */
const NUMBER_CELL = /^(?:[#*_]*\s*(?:(?:point|step|no\.?)\s*)?\p{Nd}{1,3}\s*[.):]?[*_]*|)$/iu;

/**
 * Rewrites the rows under a Markdown table's ruler as numbered lines. A row's point is its first
 * cell that is not a number.
 */
function fromTable(text: string): string {
  const lines = text.split("\n");
  const out: string[] = [];
  let inside = false;
  let row = 0;
  for (const [i, line] of lines.entries()) {
    if (line.includes("|") && RULER.test(line)) {
      inside = true;
      row = 0;
      if (lines[i - 1]?.includes("|")) out.pop(); // the line before the ruler is the table's header
      continue;
    }
    if (inside && !line.includes("|")) inside = false;
    if (!inside) {
      out.push(line);
      continue;
    }
    const cells = line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
    const point = cells.find((cell) => !NUMBER_CELL.test(cell));
    if (point) out.push(`${++row}. ${point.replace(/^\p{Nd}{1,3}[.):]\s+/u, "")}`);
  }
  return out.join("\n");
}

/** Fields that hold a point's text in JSON, the most likely first. */
const NAMES = [
  "point",
  "title",
  "heading",
  "name",
  "topic",
  "headline",
  "label",
  "step",
  "text",
  "summary",
];
/** Fields that hold a point's nested points in JSON. */
const CHILDREN = ["children", "subpoints", "sub_points", "subPoints", "items", "points", "details"];

/**
 * Numbered lines for a JSON list in the text: a list of strings, a list of objects with a text, or
 * an object that holds either. Undefined: the text has none.
 */
function fromJson(text: string): string | undefined {
  for (const [open, close] of ["[]", "{}"]) {
    const to = text.lastIndexOf(close);
    let from = text.indexOf(open);
    for (let tries = 0; tries < 4 && from >= 0 && from < to; tries++) {
      const lines = jsonLines(parsed(text.slice(from, to + 1).replace(/,(\s*[\]}])/g, "$1")), 0);
      if (lines.length > 0) return lines.join("\n");
      from = text.indexOf(open, from + 1);
    }
  }
}

/** The JSON value, or undefined where the text is not JSON. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** Numbered lines of a JSON value, indented by depth; none where it holds no list. */
function jsonLines(value: unknown, depth: number): string[] {
  if (depth > 3) return [];
  if (Array.isArray(value)) {
    const lines: string[] = [];
    let n = 0;
    for (const item of value) {
      const text = typeof item === "string" ? item : named(item);
      if (text === undefined || text.trim() === "") continue;
      const line = text.replace(/\s+/g, " ").trim().replace(/^\p{Nd}{1,3}[.)]\s+/u, "");
      lines.push(`${"    ".repeat(depth)}${++n}. ${line}`);
      if (typeof item === "object" && item !== null) {
        const under = CHILDREN.map((key) => (item as Record<string, unknown>)[key]).find(
          Array.isArray,
        );
        if (under) lines.push(...jsonLines(under, depth + 1));
      }
    }
    return lines;
  }
  if (typeof value !== "object" || value === null) return [];
  const entries = Object.entries(value);
  const list = entries.find(([, v]) => Array.isArray(v));
  if (list) return jsonLines(list[1], depth);
  if (entries.every(([key]) => /^\D{0,8}\d{1,3}$/.test(key))) {
    return jsonLines(entries.map(([, v]) => v), depth);
  }
  const inner = entries.find(([, v]) => typeof v === "object" && v !== null);
  return inner ? jsonLines(inner[1], depth + 1) : [];
}

/** The text of a JSON object that stands for a point; undefined: it has none. */
function named(item: unknown): string | undefined {
  if (typeof item !== "object" || item === null) return undefined;
  const fields = item as Record<string, unknown>;
  const key = NAMES.find((name) => typeof fields[name] === "string") ??
    Object.keys(fields).find((name) => typeof fields[name] === "string");
  return key === undefined ? undefined : fields[key] as string;
}

/** Ordinal words in order, by language. */
const ORDINALS: readonly string[][] = [
  ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"],
  ["erstens", "zweitens", "drittens", "viertens", "fünftens", "sechstens"],
  ["premièrement", "deuxièmement", "troisièmement", "quatrièmement", "cinquièmement"],
  ["primero", "segundo", "tercero", "cuarto", "quinto"],
];
/** Words that introduce the last point, as part of a regular expression. */
const LAST = "finally|lastly|last|schließlich|zuletzt|enfin|por último|finalmente";

/**
 * Rewrites `First, A. Second, B.` as lines with numbers. Undefined: fewer than two ordinals follow
 * each other, beginning with the first.
 */
export function fromOrdinals(text: string): string | undefined {
  for (const words of ORDINALS) {
    let at = 0;
    let out = "";
    let n = 0;
    for (;;) {
      const word = n < words.length ? words[n] : undefined;
      const names = [
        ...(word ? [`${word}(?:ly)?(?: of all)?`] : []),
        ...(n > 1 ? [`(?:and )?(?:${LAST})(?: but not least)?`] : []),
      ];
      if (names.length === 0) break;
      const found = new RegExp(
        `(?:^|[.!?;:]\\s|\\n)\\s*(?:\\*\\*)?(?:${names.join("|")})(?:\\*\\*)?\\s*[,:]\\s*`,
        "iu",
      )
        .exec(text.slice(at));
      if (!found) break;
      out += `${text.slice(at, at + found.index)}\n${++n}. `;
      at += found.index + found[0].length;
      out += text.charAt(at).toLocaleUpperCase();
      at++;
    }
    if (n >= 2) return (out + text.slice(at)).replace(/^(\d+\. [^\n]*?[.!?;])\s.*$/gm, "$1");
  }
}

/**
 * Rewrites lines such as `1 A`, `2 B`, with a bare space after the number, as `1. A`, `2. B`.
 * Undefined: fewer than two such numbers follow each other from 1.
 */
export function fromBareNumbers(text: string): string | undefined {
  let n = 0;
  const lines = text.split("\n").map((line) => {
    const found = /^\s*([0-9]{1,2})\s+(?=\p{L})/u.exec(line);
    if (!found || Number(found[1]) !== n + 1) return line;
    return `${++n}. ${line.slice(found[0].length)}`;
  });
  return n >= 2 ? lines.join("\n") : undefined;
}
