/**
 * Text of a model as elements: paragraphs, headings, lists, quotes, code, emphasis and links. The
 * text becomes text nodes; no markup in it is ever obeyed.
 *
 * @module
 */
import { html } from "./html.js";

const FENCE = /^\s*(```|~~~)\s*([\w+#.-]*)/;
const ITEM = /^(\s*)([-*+]|\d{1,3}[.)])\s+(.*)$/;
const HEADING = /^(#{1,6})\s+(.*)$/;

/**
 * The elements of a text.
 * @param {{text: string}} props
 */
export function Markdown({ text }) {
  return html`<div class="prose">${blocks(text.split("\n"))}</div>`;
}

/** @param {string[]} lines */
function blocks(lines) {
  const found = [];
  for (let i = 0; i < lines.length;) {
    const line = lines[i];
    const fence = FENCE.exec(line);
    if (line.trim() === "") i++;
    else if (fence) {
      const end = lines.findIndex((other, at) => at > i && other.trim().startsWith(fence[1]));
      const code = lines.slice(i + 1, end < 0 ? undefined : end).join("\n");
      found.push(html`<pre tabindex="0"><code>${code}</code></pre>`);
      i = end < 0 ? lines.length : end + 1;
    } else if (HEADING.test(line)) {
      const [, marks, title] = HEADING.exec(line);
      found.push(html`<p class=${`heading h${marks.length}`}>${inline(title)}</p>`);
      i++;
    } else if (ITEM.test(line)) {
      const end = endOf(lines, i, (other) => ITEM.test(other) || /^\s{2,}\S/.test(other));
      found.push(list(lines.slice(i, end)));
      i = end;
    } else if (line.startsWith(">")) {
      const end = endOf(lines, i, (other) => other.startsWith(">"));
      const inner = lines.slice(i, end).map((other) => other.replace(/^>\s?/, ""));
      found.push(html`<blockquote>${blocks(inner)}</blockquote>`);
      i = end;
    } else {
      const plain = (/** @type {string} */ other) =>
        other.trim() !== "" && ![FENCE, HEADING, ITEM].some((form) => form.test(other)) &&
        !other.startsWith(">");
      const end = endOf(lines, i, plain);
      found.push(html`<p>${inline(lines.slice(i, end).join("\n"))}</p>`);
      i = end;
    }
  }
  return found;
}

/** Index of the first line behind `from` that does not go on. */
function endOf(lines, from, goesOn) {
  let end = from + 1;
  while (end < lines.length && goesOn(lines[end])) end++;
  return end;
}

/** Lines of a list, of one level; what is indented belongs to the item before. */
function list(lines) {
  const items = [];
  for (const line of lines) {
    const item = ITEM.exec(line);
    if (item) items.push(item[3]);
    else items[items.length - 1] += `\n${line.trim()}`;
  }
  const first = ITEM.exec(lines[0])[2];
  const entries = items.map((item) => html`<li>${inline(item)}</li>`);
  return /\d/.test(first)
    ? html`<ol start=${Number.parseInt(first)}>${entries}</ol>`
    : html`<ul>${entries}</ul>`;
}

const SPAN =
  /(`+)([\s\S]+?)\1|\*\*([\s\S]+?)\*\*|\*([^\s*][^*]*)\*|\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)/g;

/** @param {string} text */
function inline(text) {
  const found = [];
  let at = 0;
  for (const match of text.matchAll(SPAN)) {
    const [whole, , code, strong, emphasis, label, href] = match;
    if (match.index > at) found.push(text.slice(at, match.index));
    if (code !== undefined) found.push(html`<code>${code}</code>`);
    else if (strong !== undefined) found.push(html`<strong>${inline(strong)}</strong>`);
    else if (emphasis !== undefined) found.push(html`<em>${inline(emphasis)}</em>`);
    else {
      found.push(
        html`<a href=${href} target="_blank" rel="noopener noreferrer nofollow">${label}</a>`,
      );
    }
    at = match.index + whole.length;
  }
  if (at < text.length) found.push(text.slice(at));
  return found;
}
