/**
 * The nodes as boxes, and the links between them. Drawn in pixels of the screen: on a narrow one the
 * boxes stand below each other.
 *
 * @module
 */
import { STATES } from "../lib/cluster_rates.js";
import { bytes, figure, layersText, ms } from "../lib/format.js";
import { html } from "../lib/html.js";
import { shortened, stageColour } from "./layer_strip.js";

const BOX = { width: 216, height: 122 };
/** What a box is taller where nodes have layers of other deployments. */
const OTHERS_HEIGHT = 18;
const PADDING = 36;
/** Nodes that stand in a ring; more stand in rows. */
const MOST_RING = 8;
/** Traffic from which a link is drawn as busy, bytes a second. */
const BUSY = 4 * 1024;

/** See the module's text. */
export function ClusterMap({ members, names, work, links, deployment, beside, width: outer }) {
  const width = Math.max(BOX.width, outer - PADDING);
  const more = beside.length > 0 ? OTHERS_HEIGHT : 0;
  const { height, places } = placed(members.map(({ told }) => told.node), width, more);
  const flow = flowOf([...deployment ? [deployment] : [], ...beside]);
  const few = members.length <= MOST_RING;
  const shown = links.filter(({ a, b }) => few || flow.has(keyOf(a, b)));
  const narrow = width < 2 * BOX.width + 60;
  return html`
    <svg class="map" width=${width} height=${height} role="group"
      aria-label="Nodes and the links between them">
        ${shown.map((link) =>
          html`<${Link} key=${keyOf(link.a, link.b)} ...${{
            link,
            from: places.get(link.a),
            to: places.get(link.b),
            flows: flow.has(keyOf(link.a, link.b)),
            narrow,
            names,
            more,
          }} />`
        )}
        ${members.map((member) =>
          html`<${Box} key=${member.told.node} ...${{
            member,
            name: names.get(member.told.node),
            at: places.get(member.told.node),
            work: work.get(member.told.node),
            more,
          }} />`
        )}
      </svg>
  `;
}

const keyOf = (a, b) => a < b ? `${a} ${b}` : `${b} ${a}`;

/** Pairs of nodes between which answers go: from stage to stage, and back to the first. */
function flowOf(served) {
  return new Set(
    served.flatMap(({ stages }) =>
      stages.map(({ node }, i) => keyOf(node, stages[(i + 1) % stages.length].node))
    ),
  );
}

/**
 * Where the boxes stand: the middle of each by node, and the height of the drawing. Boxes are taller
 * by `more`.
 */
function placed(nodes, width, more) {
  const w = BOX.width;
  const h = BOX.height + more;
  const count = nodes.length;
  const places = new Map();
  if (width < 2 * w + 60) {
    const gap = 52;
    nodes.forEach((node, i) => places.set(node, { x: width / 2, y: h / 2 + 2 + i * (h + gap) }));
    return { height: count * (h + gap) - gap + 4, places };
  }
  if (count <= 2) {
    const x = (i) => count === 1 ? width / 2 : i === 0 ? w / 2 + 8 : width - w / 2 - 8;
    nodes.forEach((node, i) => places.set(node, { x: x(i), y: h / 2 + 16 }));
    return { height: h + 32, places };
  }
  if (count <= MOST_RING) {
    const radius = { x: Math.min(width - w - 8, 760) / 2, y: 110 + 24 * count };
    nodes.forEach((node, i) => {
      const angle = 2 * Math.PI * i / count - Math.PI / 2;
      places.set(node, {
        x: width / 2 + radius.x * Math.cos(angle),
        y: h / 2 + 6 + radius.y * (1 + Math.sin(angle)),
      });
    });
    const bottom = Math.max(...[...places.values()].map(({ y }) => y));
    return { height: bottom + h / 2 + 6, places };
  }
  const columns = Math.max(1, Math.floor((width + 40) / (w + 40)));
  const step = width / columns;
  nodes.forEach((node, i) =>
    places.set(node, {
      x: step * (i % columns + 0.5),
      y: h / 2 + 4 + Math.floor(i / columns) * (h + 44),
    })
  );
  return { height: Math.ceil(count / columns) * (h + 44) - 36, places };
}

/** A link: a line with its round trip and its traffic. */
function Link({ link, from, to, flows, narrow, names, more }) {
  if (!from || !to) return null;
  const { roundTripMs, bytesPerS = 0 } = link;
  const neighbours = Math.abs(from.y - to.y) < (BOX.height + more) * 1.6;
  const busy = bytesPerS > BUSY;
  const thick = 1.5 + Math.min(4, Math.log10(1 + bytesPerS / 1024));
  // Where boxes stand below each other, a link past a box goes round it.
  const bend = narrow && !neighbours ? (from.x - 6) / 0.75 : 0;
  const middle = {
    x: (from.x + to.x) / 2,
    y: (from.y + to.y) / 2,
  };
  const path = bend
    ? `M${from.x} ${from.y} C${from.x + 2 * bend} ${from.y} ${
      to.x + 2 * bend
    } ${to.y} ${to.x} ${to.y}`
    : `M${from.x} ${from.y} L${to.x} ${to.y}`;
  const label = `${ms(roundTripMs)} · ${bytes(bytesPerS)}/s`;
  const title = `${names.get(link.a)} – ${names.get(link.b)}: ${label}`;
  return html`<g class="link" data-flow=${flows} data-busy=${busy}>
    <title>${title}</title>
    <path d=${path} style=${{ strokeWidth: `${thick}px` }} />
    ${busy && html`<path class="moving" d=${path} style=${{ strokeWidth: `${thick}px` }} />`}
    ${!bend && html`<text x=${middle.x} y=${middle.y + 4}>${label}</text>`}
  </g>`;
}

/** A node. */
function Box({ member: { told, state, why, cores, had }, name, at, work, more }) {
  const w = BOX.width;
  const h = BOX.height + more;
  const { vitals } = told;
  const stages = work?.stages ?? [];
  const layers = stages.map(({ first, last }, i) =>
    layersText(first, last).replace(i > 0 ? /^layers? / : "", "")
  ).join(", ");
  const beside = [
    ...(work?.parts ? [work.parts === 8 ? "LM head" : `head ${work.parts}/8`] : []),
    ...(work?.drafts ? ["drafts"] : []),
    ...(work?.whole ? ["whole model"] : []),
  ].join(", ");
  const others = work?.others ?? [];
  const otherText = others.length === 1
    ? `${others[0].title}: ${layersText(others[0].first, others[0].last)}`
    : others.length > 1
    ? `${others.length} stages of others`
    : "";
  const memory = vitals?.memory.resident_bytes ?? 0;
  const colour = stages.length > 0 ? stageColour(stages[0].index) : "var(--strong-line)";
  const summary = `${name}: ${STATES[state]}, ${layers || "no layers"} ${beside} ${otherText}`;
  return html`
    <g class="box" data-state=${state} data-node=${told.node} role="img"
      aria-label=${summary} style=${{
        transform: `translate(${at.x - w / 2}px, ${at.y - h / 2}px)`,
      }}>
        <title>${why ? `${told.node}: ${why}` : told.node}</title>
        <rect class="frame" width=${w} height=${h} rx="10" />
        <rect class="side" width="5" height=${h - 20} x="0" y="10" rx="2" style=${{
          fill: colour,
        }} />
        <text class="name" x="18" y="26">${shortened(name, 17)}</text>
        ${told.first && html`<text class="tag" x=${w - 12} y="26">first node</text>`}
        <circle class="dot" cx="22" cy="43" r="4" />
        <text class="state" x="32" y="47">${STATES[state]}</text>
        <text x="18" y="69" class=${layers ? "strong" : "quiet"}>${shortened(
          layers || (state === "gone" && had ? `had ${had}` : "no layers"),
          27,
        )}</text>
        <text class="quiet" x=${w - 12} y="69" text-anchor="end">${shortened(
          beside,
          Math.max(6, 33 - layers.length),
        )}</text>
        ${otherText && html`<text class="quiet" x="18" y="87">${shortened(otherText, 30)}</text>`}
        <text class="label" x="18" y=${90 + more}>load</text>
        <${Bar} x="58" y=${83 + more} share=${(cores ?? 0) / told.cores} text=${cores === undefined
          ? "–"
          : `${figure(cores)} of ${told.cores}`} />
        <text class="label" x="18" y=${108 + more}>mem</text>
        <${Bar} x="58" y=${101 + more} share=${told.memory_bytes
          ? memory / told.memory_bytes
          : 0} text=${vitals ? bytes(memory) : "–"} />
      </g>
  `;
}

const Bar = ({ x, y, share, text }) =>
  html`
    <rect class="track" x=${x} y=${y} width="76" height="6" rx="3" />
    <rect class="fill" x=${x} y=${y} height="6" rx="3" style=${{
      width: `${76 * Math.min(1, Math.max(0, share))}px`,
    }} />
    <text class="label" x=${Number(x) + 84} y=${Number(y) + 7}>${text}</text>
  `;
