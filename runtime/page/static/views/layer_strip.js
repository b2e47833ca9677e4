/**
 * All layers of a model in a row, each stage in its place: what moves to another node is seen moving.
 *
 * @module
 */
import { layersText } from "../lib/format.js";
import { html } from "../lib/html.js";

const HEIGHT = 46;
const PADDING = 36;

/** Stages have these colours in turn. */
export const stageColour = (/** @type {number} */ index) => `var(--data-${(index % 4) + 1})`;

/**
 * @param {{stages: {node: string, first: number, last: number}[], names: Map<string, string>, width: number}} props
 */
export function LayerStrip({ stages, names, width: outer }) {
  const width = Math.max(120, outer - PADDING);
  const layers = Math.max(...stages.map(({ last }) => last)) + 1;
  const one = width / layers;
  const what = stages.map(({ node, first, last }) =>
    `${layersText(first, last)} on ${names.get(node) ?? node}`
  ).join("; ");
  return html`<svg class="strip" width=${width} height=${HEIGHT} role="img" aria-label=${what}>
    ${
    stages.map(({ node, first, last }, index) => {
      const wide = (1 + last - first) * one - 3;
      const name = names.get(node) ?? node;
      const most = Math.floor((wide - 14) / 7.5);
      return html`<g key=${`${first}-${last}`} class="segment" style=${{
        transform: `translateX(${first * one + 1.5}px)`,
      }}>
        <title>${`stage ${index}: ${layersText(first, last)} on ${name}`}</title>
        <rect y="1" width=${wide} height=${HEIGHT - 2} rx="6" style=${{
        stroke: stageColour(index),
        fill: `color-mix(in srgb, ${stageColour(index)} 16%, transparent)`,
      }} />
        ${most > 3 && html`<text x="9" y="20">${shortened(name, most)}</text>`}
        ${wide > 70 && html`<text class="small" x="9" y="36">${layersText(first, last)}</text>`}
      </g>`;
    })
  }</svg>`;
}

/** A text of at most so many characters. @param {string} text @param {number} most */
export const shortened = (text, most) =>
  text.length <= most ? text : `${text.slice(0, Math.max(1, most - 1))}…`;
