/**
 * Figures for people.
 *
 * @module
 */

const three = (/** @type {number} */ n) =>
  n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2);

/** Milliseconds, with the unit that suits. @param {number | null | undefined} n */
export function ms(n) {
  if (n === undefined || n === null || !Number.isFinite(n)) return "–";
  if (n === 0) return "0 ms";
  if (n >= 60_000) return `${(n / 60_000).toFixed(1)} min`;
  if (n >= 1_000) return `${three(n / 1_000)} s`;
  return n >= 0.995 ? `${three(n)} ms` : `${(n * 1000).toFixed(0)} µs`;
}

/** Bytes, with the unit that suits. @param {number | null | undefined} n */
export function bytes(n) {
  if (n === undefined || n === null || !Number.isFinite(n)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (n >= 1024 && at < units.length - 1) {
    n /= 1024;
    at++;
  }
  return `${at === 0 ? Math.round(n) : three(n)} ${units[at]}`;
}

/** A share of 1 in percent. @param {number | null | undefined} n */
export const percent = (n) =>
  n === undefined || n === null || !Number.isFinite(n) ? "–" : `${Math.round(100 * n)} %`;

/** A figure with three digits. @param {number | null | undefined} n */
export const figure = (n) => n === undefined || n === null || !Number.isFinite(n) ? "–" : three(n);

/** The part of a node's id before the first colon. @param {string} node */
export const nodeName = (node) => node.split(":")[0];

/**
 * Short names of nodes that differ from each other: the name alone where no other node has it.
 * @param {string[]} nodes Ids.
 * @returns {Map<string, string>}
 */
export function nodeNames(nodes) {
  const counts = new Map();
  for (const node of nodes) counts.set(nodeName(node), (counts.get(nodeName(node)) ?? 0) + 1);
  return new Map(nodes.map((node) => {
    const [name, port] = node.split(":");
    return [node, counts.get(name) === 1 ? name : `${name}:${port}`];
  }));
}

/** Layers for people: "layer 3", "layers 0–5". @param {number} first @param {number} last */
export const layersText = (first, last) =>
  first === last ? `layer ${first}` : `layers ${first}–${last}`;
