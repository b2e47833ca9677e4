/**
 * Reads the points of an outline that a model has written, in whatever way it numbers them.
 *
 * @module
 */
import { fromBareNumbers, fromOrdinals, plainLists } from "./forms.ts";
import { disambiguate, type Line, readLine, splitInline, type Style } from "./lines.ts";

/** A point of an outline. */
export interface OutlinePoint {
  /** What the point is about, without number, bullet and emphasis. */
  text: string;
  /** Points under it. */
  children: string[];
}

/** What {@linkcode parseOutline} found. */
export type ParsedOutline =
  | {
    state: "ok";
    title: string;
    points: OutlinePoint[]; /** Points beyond the limit. */
    dropped: number;
  }
  | { state: "malformed"; why: string };

/**
 * Points of an outline in order.
 *
 * Takes decimal, roman, lettered, Chinese and worded ("Point 2:") numbers and bullets, with or
 * without Markdown around them; several points on one line; text before, between and after the
 * list; nested lists (indented or of another style), whose items become children; headings or bold
 * lines with lists under them; tables, JSON, HTML, LaTeX, emoji; "First, ... Second, ..." where
 * there is no list. A list that begins anew is another list and is left out. One point is a valid
 * outline.
 */
export function parseOutline(
  text: string,
  { maxPoints = 30 }: { maxPoints?: number } = {},
): ParsedOutline {
  const plain = plainLists(text);
  const parsed = readList(plain, maxPoints);
  if (parsed.state === "ok") return parsed;
  for (const rewrite of [fromOrdinals, fromBareNumbers]) {
    const rewritten = rewrite(plain);
    if (rewritten !== undefined) return readList(rewritten, maxPoints);
  }
  return parsed;
}

function readList(text: string, maxPoints: number): ParsedOutline {
  const lines = text.split("\n").flatMap(splitInline).filter((l) => l.trim() !== "").map(readLine);
  disambiguate(lines);
  const top = topLevel(lines);
  if (!top) return { state: "malformed", why: "no numbered or bulleted line" };
  const isTop = (line: Line) =>
    line.style === top.style &&
    (line.style === "heading" ? line.indent === top.indent : line.indent <= top.indent + 1);
  // Markdown's lazy numbering: every point is number 1.
  const ordinals = lines.filter(isTop).map((line) => line.ordinal);
  const numbered = new Set(ordinals).size > 1;
  const points: OutlinePoint[] = [];
  let last = -1;
  let title = "";
  for (const line of lines) {
    if (isTop(line)) {
      if (numbered && line.ordinal !== undefined) {
        if (line.ordinal <= last) break; // another list
        last = line.ordinal;
      }
      points.push({ text: line.text, children: [] });
    } else if (points.length === 0) {
      if ((!line.style || line.style === "heading") && title === "") title = line.text;
    } else if (line.style && line.style !== "heading") {
      points.at(-1)!.children.push(line.text);
    } else if (!line.style && points.at(-1)!.text === "") {
      points.at(-1)!.text = line.text; // the number stands on a line of its own
    }
  }
  const seen = new Set<string>();
  const kept = points.filter(({ text }) => {
    const key = text.toLocaleLowerCase();
    return text !== "" && !seen.has(key) && seen.add(key);
  });
  if (kept.length === 0) return { state: "malformed", why: "its points have no text" };
  return {
    state: "ok",
    title,
    points: kept.slice(0, maxPoints),
    dropped: Math.max(0, kept.length - maxPoints),
  };
}

/**
 * The list that the points are: headings that have lists of their own under them; else the least
 * indented list, numbers before bullets before symbols, then the first; else headings alone.
 */
function topLevel(lines: Line[]): { style: Style; indent: number } | undefined {
  const headings = topHeadings(lines);
  if (headings && listsUnder(lines, headings.indent)) return headings;
  const groups = new Map<Style, { style: Style; indent: number; count: number; order: number }>();
  lines.forEach(({ style, indent }, order) => {
    if (!style || style === "heading") return;
    const group = groups.get(style);
    if (!group) return void groups.set(style, { style, indent, count: 1, order });
    if (indent < group.indent) Object.assign(group, { indent, count: 0 });
    group.count++;
  });
  const late: Partial<Record<Style, number>> = { bullet: 1, symbol: 2, section: 3 };
  const rank = (g: { style: Style; indent: number; order: number }) =>
    [g.indent, late[g.style] ?? 0, g.order] as const;
  // One line such as "1.5 litres of water" or "🌱 Good luck" is no list.
  const lists = [...groups.values()].filter((g) =>
    g.count > 1 || !["section", "symbol"].includes(g.style)
  );
  return lists.sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2];
  })[0] ?? headings;
}

/** The highest level that has two headings or more. */
function topHeadings(lines: Line[]): { style: Style; indent: number } | undefined {
  for (let level = 1; level <= 7; level++) {
    const count = lines.filter((l) => l.style === "heading" && l.indent === level).length;
    if (count > 1) return { style: "heading", indent: level };
  }
}

/**
 * Do at least two headings of this level have bullets, or numbers that begin anew, directly under
 * them, and nothing before?
 */
function listsUnder(lines: Line[], level: number): boolean {
  let current = -1;
  const heads: { bullets: number; first?: number }[] = [];
  for (const line of lines) {
    if (line.style === "heading" && line.indent === level) current = heads.push({ bullets: 0 }) - 1;
    else if (line.style && line.style !== "heading") {
      if (current < 0) return false; // a list before the first heading is the outline
      const head = heads[current];
      if (line.ordinal === undefined) head.bullets++;
      else head.first ??= line.ordinal;
    }
  }
  if (heads.some((h) => h.first !== undefined)) {
    return heads.filter((h) => h.first === 1).length > 1;
  }
  return heads.filter((h) => h.bullets > 0).length > 1;
}
