/**
 * Timeline: where the time of a request went, by stage.
 *
 * @module
 */
import { useTurns } from "../lib/conversation_store.js";
import { ms, percent } from "../lib/format.js";
import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { usePoll } from "../lib/poll.js";
import { hashOf } from "../lib/route.js";
import { kindOf, numberOf, partsOf, requestsOf } from "../lib/trace_requests.js";
import { useWidth } from "../lib/use_width.js";
import { stageColour } from "./layer_strip.js";
import { TimelineChart } from "./timeline_chart.js";

const NAMES = {
  waiting: "waiting at a stage",
  way: "under way between nodes",
  node: "this node, between frames",
};

/** See the module's text. `query.request` names the request to show. @param {any} props */
export function Timeline({ query }) {
  const { value: frames, error, again } = usePoll("/api/trace", 3_000);
  const [chosen, choose] = useState(query.request ?? "");
  useEffect(() => choose(query.request ?? ""), [query.request]);
  const asked = useAsked();
  const [paused, pause] = useState(/** @type {any} */ (undefined));
  const shown = paused ?? frames ?? [];
  const requests = useMemo(() => requestsOf(shown), [shown]);
  // A request of one frame is most likely a question whether the node is ready.
  const request = requests.find(({ id }) => id === chosen) ??
    requests.find(({ frames }) => frames.length > 1) ?? requests[0];
  const gone = frames && chosen !== "" && request?.id !== chosen;
  const [box, width] = useWidth();
  return html`<div class="page" ref=${box}>
    <header><h1>Timeline</h1>
      <p class="muted">Where the time of a request went: the last 512 frames of this node.</p></header>
    ${error && html`<p class="notice bad">${error.message}</p>`}
    ${
    frames && requests.length === 0 &&
    html`<p class="notice">No frame has come back yet: ask something in the chat.</p>`
  }
    ${
    gone && html`
      <p
        class="notice">The node no longer has the frames of ${asked.has(chosen)
          ? `“${asked.get(chosen)}”`
          : "that request"}: it keeps the last 512.${request
          ? " Here is the newest request."
          : ""}</p>
    `
  }
    ${
    request && html`
      <div class="toolbar">
        <label class="grow">Request <select value=${request.id} onChange=${(event) => {
          choose(event.target.value);
          history.replaceState(null, "", hashOf("timeline", { request: event.target.value }));
        }}>${requests.slice(0, 50).map((one, i) =>
          html`
            <option value=${one.id}
              selected=${one.id === request.id}>${i === 0 ? "newest" : `${i} before`}: ${ms(
                one.ended - one.began,
              )}, ${one.frames.length} ${one.frames.length === 1
                ? "frame"
                : "frames"}${asked.has(one.id) ? ` — ${asked.get(one.id)}` : ""}</option>
          `
        )}</select></label>
        ${asked.has(request.id) &&
          html`<a class="button" href=${
            hashOf("chat", { answer: request.id })
          }><${Icon} name="chat" /> Its answer</a>`}
        <button type="button" aria-pressed=${paused !== undefined} onClick=${() =>
          pause(paused ? undefined : frames)}>${paused ? "Follow again" : "Hold still"}</button>
        <button type="button" onClick=${again}>Look now</button>
      </div>
      <${Shares} request=${request} />
      <section class="card" aria-label="Frames by stage">
        <h2>Frames</h2>
        <${TimelineChart} key=${request.id} request=${request} width=${width} />
      </section>
      <${Frames} request=${request} />
    `
  }
  </div>`;
}

/** Questions of this tab's conversation, shortened, by the generation of their answers. */
function useAsked() {
  const turns = useTurns();
  return useMemo(() =>
    new Map(turns.flatMap(({ report }, at) => {
      if (!report?.generation) return [];
      const text = turns[at - 1]?.text ?? "";
      return [[report.generation, text.length > 48 ? `${text.slice(0, 47)}…` : text]];
    })), [turns]);
}

/** The parts of the whole time, as one bar and as a table. */
function Shares({ request }) {
  const parts = useMemo(() => partsOf(request), [request]);
  const all = request.ended - request.began;
  const colour = ({ kind, name }) =>
    kind === "stage"
      ? (name.startsWith("head") ? "var(--data-4)" : stageColour(numberOf(name) % 3))
      : kind === "waiting"
      ? "var(--bad)"
      : kind === "way"
      ? "var(--data-5)"
      : "var(--line)";
  return html`
    <section class="card" aria-label="Shares of the time">
      <h2>${ms(all)} in all</h2>
      <div class="shares" aria-hidden="true">${parts.map((part) =>
        html`
          <i key=${part.name} style=${{ flexGrow: part.ms, background: colour(part) }}
            title=${`${NAMES[part.name] ?? part.name}: ${ms(part.ms)}`}></i>
        `
      )}</div>
      <ul class="keys">${parts.map((part) =>
        html`<li key=${part.name}><span class="swatch block" style=${{
          background: colour(part),
        }}></span>
        ${NAMES[part.name] ?? `${part.name} computes`} <strong>${ms(part.ms)}</strong>
        <span class="muted">${percent(part.ms / all)}</span></li>`
      )}</ul>
    </section>
  `;
}

/** What the frames were, by kind. */
function Frames({ request }) {
  const rows = Map.groupBy(request.frames, kindOf);
  const mean = (list, of) => list.reduce((sum, frame) => sum + of(frame), 0) / list.length;
  return html`
    <section class="card" aria-label="Frames by kind">
      <h2>By kind</h2>
      <div class="scroll" tabindex="0" role="region" aria-label="Table of frames">
        <table>
          <thead>
            <tr>
              <th>Frames of</th>
              <th class="n">Number</th>
              <th class="n">Rows, mean</th>
              <th class="n">There and back, mean</th>
            </tr>
          </thead>
          <tbody>${[...rows].map(([kind, list]) =>
            html`
              <tr key=${kind}>
                <th scope="row">${kind}</th>
                <td class="n">${list.length}</td>
                <td class="n">${mean(list, ({ rows }) => rows).toFixed(1)}</td>
                <td class="n">${ms(mean(list, (f) => f.answered_ms - f.sent_ms))}</td>
              </tr>
            `
          )}</tbody>
        </table>
      </div>
    </section>
  `;
}
