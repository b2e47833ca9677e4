/**
 * Reads the points of an outline that a model has written, in whatever way the model numbers them.
 *
 * @module
 */
import { fromBareNumbers, fromOrdinals, plainLists } from "./forms.ts";
import { disambiguate, type Line, readLine, splitInline, type Style } from "./lines.ts";

/** A point of an outline. */
export interface OutlinePoint {
  /** What the point is about, without number, bullet and emphasis. */
  text: string;
  /** Texts of the points that are nested under it. */
  children: string[];
}

/**
 * What {@linkcode parseOutline} found. `title`: the heading or first line before the points, ""
 * where there is none. `dropped`: how many points are beyond the limit. `why`: a clause.
 */
export type ParsedOutline =
  | {
    state: "ok";
    title: string;
    points: OutlinePoint[];
    dropped: number;
  }
  | { state: "malformed"; why: string };

/**
 * Reads the points of an outline, in order.
 *
 * It understands decimal, roman, lettered, Chinese and worded ("Point 2:") numbers and bullets,
 * with or without Markdown around them; several points on one line; text before, between and after
 * the list; nested lists (indented or of another style), whose items become children; headings or
 * bold lines with lists under them; tables, JSON, HTML, LaTeX, emoji; and "First, ... Second, ..."
 * where there is no list. A list whose numbers begin anew is another list and is left out. A single
 * point is a valid outline.
 *
 * `maxPoints`: how many points are kept. @default 30
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

/** {@linkcode parseOutline} for a text whose lists are plain lines. */
function readList(text: string, maxPoints: number): ParsedOutline {
  const lines = text.split("\n").flatMap(splitInline).filter((l) => l.trim() !== "").map(readLine);
  disambiguate(lines);
  const top = topLevel(lines);
  if (!top) return { state: "malformed", why: "no numbered or bulleted line" };
  const isTop = (line: Line) =>
    line.style === top.style &&
    (line.style === "heading" ? line.indent === top.indent : line.indent <= top.indent + 1);
  // Markdown allows every point to have the number 1. Then the numbers say nothing.
  const ordinals = lines.filter(isTop).map((line) => line.ordinal);
  const numbered = new Set(ordinals).size > 1;
  const points: OutlinePoint[] = [];
  let last = -1;
  let title = "";
  for (const line of lines) {
    if (isTop(line)) {
      if (numbered && line.ordinal !== undefined) {
        if (line.ordinal <= last) break; // the numbers begin anew: another list
        last = line.ordinal;
      }
      points.push({ text: line.text, children: [] });
    } else if (points.length === 0) {
      if ((!line.style || line.style === "heading") && title === "") title = line.text;
    } else if (line.style && line.style !== "heading") {
      points.at(-1)!.children.push(line.text);
    } else if (!line.style && points.at(-1)!.text === "") {
      // the point's number stands on a line of its own, and this is its text
      points.at(-1)!.text = line.text;
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
 * Chooses the lines that are the outline's points. Headings with lists of their own under them come
 * first; then the least indented list, of equal ones numbers before bullets before symbols, then
 * the first; then headings alone. Undefined: there is no list.
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
  // A single line such as "1.5 litres of water" or "🌱 Good luck" is not a list.
  const lists = [...groups.values()].filter((g) =>
    g.count > 1 || !["section", "symbol"].includes(g.style)
  );
  return lists.sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2];
  })[0] ?? headings;
}

/** The highest level of headings that has at least two of them. */
function topHeadings(lines: Line[]): { style: Style; indent: number } | undefined {
  for (let level = 1; level <= 7; level++) {
    const count = lines.filter((l) => l.style === "heading" && l.indent === level).length;
    if (count > 1) return { style: "heading", indent: level };
  }
}

/**
 * Whether at least two headings of this level have bullets, or numbers that begin anew, directly
 * under them, and no list stands before the first heading.
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
