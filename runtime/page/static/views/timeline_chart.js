/**
 * Frames of a request over time: a line for each stage, with what was computed and what waited.
 *
 * @module
 */
import { ms } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { byLane, kindOf, laneOf } from "../lib/trace_requests.js";

const LANE = 34;
const TOP = 26;
const LEFT = 66;
const PADDING = 36;

/** Colours of what a frame is. */
const COLOURS = {
  prompt: "var(--data-1)",
  decode: "var(--data-2)",
  branches: "var(--data-3)",
  drafts: "var(--data-4)",
};

/** See the module's text. @param {{request: any, width: number}} props */
export function TimelineChart({ request, width: outer }) {
  // Which part of the time is shown, as shares of the whole.
  const [view, setView] = useState({ from: 0, to: 1 });
  const [told, tell] = useState("");
  const width = Math.max(240, outer - PADDING);
  const all = Math.max(0.001, request.ended - request.began);
  const from = request.began + view.from * all;
  const span = (view.to - view.from) * all;
  const x = (/** @type {number} */ at) => LEFT + (width - LEFT) * (at - from) / span;
  const lanes = [
    "this node",
    ...new Set(request.frames.flatMap((f) => f.stages.map(laneOf)).sort(byLane)),
  ];
  const height = TOP + lanes.length * LANE + 4;
  const zoom = (/** @type {number} */ factor, middle = (view.from + view.to) / 2) => {
    const half = Math.min(0.5, Math.max(1e-4, factor * (view.to - view.from) / 2));
    const at = Math.min(1 - half, Math.max(half, middle));
    setView({ from: at - half, to: at + half });
  };
  const move = (/** @type {number} */ by) =>
    zoom(1, (view.from + view.to) / 2 + by * (view.to - view.from));
  const shown = request.frames.filter((f) => f.answered_ms >= from && f.sent_ms <= from + span);
  const kinds = [...new Set(request.frames.map(kindOf))];
  return html`
    <div>
      <div class="toolbar small">
        <button type="button" onClick=${() => zoom(0.5)} aria-label="Closer">+</button>
        <button type="button" onClick=${() => zoom(2)} aria-label="Further">−</button>
        <button type="button" onClick=${() => move(-0.5)} aria-label="Earlier">←</button>
        <button type="button" onClick=${() => move(0.5)} aria-label="Later">→</button>
        <ul class="keys">${kinds.map((kind) =>
          html`<li><span class="swatch block" style=${{
            background: COLOURS[kind],
          }}></span>${kind}</li>`
        )}<li><span class="swatch block wait"></span>waits</li></ul>
      </div>
      <svg class="timeline" width=${width} height=${height} role="img"
        aria-label=${`${request.frames.length} frames on ${lanes.length - 1} stages in ${ms(all)}`}>
          ${ticks(from - request.began, span).map((at) =>
            html`
              <g key=${at}>
                <line class="tick" x1=${x(request.began + at)} x2=${x(request.began + at)}
                  y1=${TOP - 6} y2=${height} />
                <text class="label" x=${x(request.began + at) + 3}
                  y="14">${ms(at)}</text>
              </g>
            `
          )}
          ${lanes.map((lane, i) =>
            html`
              <g key=${lane}>
                <line class="lane" x1=${LEFT} x2=${width} y1=${TOP + (i + 1) * LANE - 4}
                  y2=${TOP + (i + 1) * LANE - 4} />
                <text class="label" x="0" y=${TOP + i * LANE + 18}>${lane}</text>
              </g>
            `
          )}
          <g clip-path="inset(0)">${shown.map((frame) =>
            html`<${Frame} key=${frame.seq} ...${{ frame, lanes, x, width, tell }} />`
          )}</g>
        </svg>
      <p class="told" aria-hidden="true">${told || "Point at a frame to see its figures."}</p>
    </div>
  `;
}

/** A frame: under way on the node's line, waiting and computing on the stages'. */
function Frame({ frame, lanes, x, width, tell }) {
  const kind = kindOf(frame);
  const text = `frame ${frame.seq}: ${frame.rows} ${frame.rows === 1 ? "row" : "rows"} (${kind}), ${
    ms(frame.answered_ms - frame.sent_ms)
  } there and back`;
  const bar = (lane, from, to, style, thin = false) => {
    const left = Math.max(LEFT, x(from));
    const wide = Math.min(width, x(to)) - left;
    if (wide <= 0) return null;
    const y = TOP + lanes.indexOf(lane) * LANE + (thin ? 12 : 4);
    return html`
      <rect x=${left} y=${y} width=${Math.max(0.75, wide)} height=${thin ? 6 : 22} rx="1.5"
        ...${style} />
    `;
  };
  return html`<g class="frame" onPointerEnter=${() => tell(text)}>
    ${bar("this node", frame.sent_ms, frame.answered_ms, { class: "way" }, true)}
    ${
    frame.stages.map((times) => {
      const lane = laneOf(times);
      const more = `, ${lane} computes ${ms(times.ended - times.began)}`;
      return html`<g key=${lane} onPointerEnter=${() => tell(text + more)}>
        ${bar(lane, times.received, times.began, { class: "wait" }, true)}
        ${bar(lane, times.began, times.ended, { style: { fill: COLOURS[kind] } })}</g>`;
    })
  }</g>`;
}

/** Round times within a span, milliseconds: four to ten of them. */
function ticks(from, span) {
  const rough = span / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((one) => one >= rough);
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor((from + span) / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * step);
}
