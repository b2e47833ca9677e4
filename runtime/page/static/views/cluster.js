/**
 * Cluster: which nodes are here, how they are, what each of them computes, and what goes between
 * them.
 *
 * @module
 */
import { copiesBeside, linksBetween, seenMembers, STATES, workOf } from "../lib/cluster_rates.js";
import { bytes, figure, layersText, ms, nodeNames } from "../lib/format.js";
import { html, useEffect, useRef } from "../lib/html.js";
import { usePoll } from "../lib/poll.js";
import { useWidth } from "../lib/use_width.js";
import { ClusterMap } from "./cluster_map.js";
import { LayerStrip } from "./layer_strip.js";

/** Milliseconds between two reports, and two lists of deployments. */
const EVERY_MS = 1_000;
const DEPLOYMENTS_MS = 2_000;

/** See the module's text. @param {{say: (text: string) => void}} props */
export function Cluster({ say }) {
  const { value: report, error } = usePoll("/api/cluster", EVERY_MS);
  const { value: deployments } = usePoll("/api/deployments", DEPLOYMENTS_MS);
  const members = useSeen(report);
  const [box, width] = useWidth();
  useNews(members, say);
  if (!report) {
    return html`
      <div class="page" ref=${box}>
        <header>
          <h1>Cluster</h1>
        </header>
        <p class="muted">${error ? error.message : "Asking the node …"}</p>
      </div>
    `;
  }
  const { deployment, reason } = report;
  const names = nodeNames(members.map(({ told }) => told.node));
  const beside = copiesBeside(deployments, deployment);
  const work = workOf(deployment, beside);
  const links = linksBetween(members.filter(({ state }) => state !== "gone"));
  const cores = members.reduce(
    (sum, { told, state }) => sum + (state === "gone" ? 0 : told.cores),
    0,
  );
  const count = members.filter(({ state }) => state !== "gone").length;
  return html`<div class="page" ref=${box}>
    <header>
      <h1>Cluster</h1>
      <p class="muted">${count} ${count === 1 ? "node" : "nodes"}, ${cores} cores. ${
    deployment
      ? html`<span class="mono">${deployment.model}</span> is served in ${deployment.stages.length} ${
        deployment.stages.length === 1 ? "stage" : "stages"
      }${beside.length > 0 ? `, beside ${beside.length} more` : ""}.`
      : beside.length > 0
      ? ""
      : "Nothing is served."
  }</p>
    </header>
    ${error && html`<p class="notice bad">What is shown is old: ${error.message}</p>`}
    ${reason && html`<p class="notice">${reason}</p>`}
    ${
    (deployment || beside.length > 0) && html`
      <section class="card" aria-label="Layers by node">
        <h2>Layers</h2>
        ${deployment && html`
          <${LayerStrip} stages=${deployment.stages} names=${names}
            width=${width} />
        `}
        ${beside.map(({ title, model, stages }) =>
          html`
            <div key=${title} class="beside">
              <h3>${title}
                      <span class="muted mono">${model}</span></h3>
              <${LayerStrip} stages=${stages} names=${names} width=${width} />
            </div>
          `
        )}
      </section>
    `
  }
    <section class="card" aria-label="Nodes and links">
      <h2>Nodes</h2>
      <${ClusterMap} ...${{ members, names, work, links, deployment, beside, width }} />
      <p class="legend"><span><span class="swatch flow"></span> the way of an answer through its
        stages</span><span><span class="swatch"></span> other links; round trip and traffic of both
        directions</span></p>
    </section>
    <${Table} ...${{ members, names, work }} />
    ${links.length > 0 && html`<${Links} links=${links} names=${names} />`}
  </div>`;
}

/** The members with rates, from one report to the next. */
function useSeen(report) {
  const kept = useRef({ report: undefined, members: [] });
  if (report && kept.current.report !== report) {
    const members = seenMembers(kept.current.members, report, performance.now());
    kept.current = { report, members };
  }
  return kept.current.members;
}

/** Tells screen readers who has come, who is silent and who is gone. */
function useNews(members, say) {
  const states = useRef(new Map());
  const now = members.map(({ told, state }) => `${told.node}=${state}`).join(" ");
  useEffect(() => {
    const before = states.current;
    const news = members.filter(({ told, state }) =>
      before.size > 0 && before.get(told.node) !== state
    ).map(({ told, state }) => `${told.node}: ${STATES[state]}`);
    if (news.length > 0) say(news.join(". "));
    states.current = new Map(members.map(({ told, state }) => [told.node, state]));
  }, [now]);
}

/** What a node computes, in words. */
export function workText(work) {
  if (!work) return "idle";
  const parts = [
    ...work.stages.map(({ index, first, last }) => `stage ${index}: ${layersText(first, last)}`),
    ...(work.parts > 0 ? [work.parts === 8 ? "LM head" : `${work.parts}/8 of the LM head`] : []),
    ...(work.drafts ? ["drafts"] : []),
    ...(work.whole ? ["a whole model"] : []),
    ...work.others.map(({ title, first, last }) => `${title}: ${layersText(first, last)}`),
  ];
  return parts.join(", ") || "idle";
}

const Table = ({ members, names, work }) =>
  html`
    <section class="card wide" aria-label="Nodes in figures">
      <h2>In figures</h2>
      <div class="scroll" tabindex="0" role="region" aria-label="Table of nodes">
        <table>
          <thead>
            <tr>
              <th>Node</th>
              <th>State</th>
              <th>Computes</th>
              <th class="n">Cores in use</th>
              <th class="n">Process</th>
              <th class="n">Set aside for stages</th>
              <th class="n">Machine</th>
              <th class="n">Requests</th>
            </tr>
          </thead>
          <tbody>${members.map(({ told, state, why, cores }) => {
            const { vitals } = told;
            const { running = 0, waiting = 0 } = vitals?.requests ?? {};
            return html`
              <tr key=${told.node} data-state=${state}>
                <th scope="row"><span title=${told.node}>${names.get(
                  told.node,
                )}</span>${told.first && html`
                  <small class="muted">first</small>
                `}</th>
                <td title=${why}>${STATES[state]}</td>
                <td class="long">${workText(work.get(told.node))}</td>
                <td class="n">${figure(cores)} of ${told.cores}</td>
                <td class="n">${bytes(vitals?.memory.resident_bytes)}</td>
                <td class="n">${bytes(vitals?.memory.stages_bytes)}</td>
                <td class="n">${bytes(told.memory_bytes)}</td>
                <td class="n">${vitals ? `${running} run, ${waiting} wait` : "–"}</td>
              </tr>
            `;
          })}</tbody>
        </table>
      </div>
    </section>
  `;

const Links = ({ links, names }) =>
  html`
    <section class="card wide" aria-label="Links in figures">
      <h2>Links</h2>
      <div class="scroll" tabindex="0" role="region" aria-label="Table of links">
        <table>
          <thead>
            <tr>
              <th>Between</th>
              <th class="n">Round trip</th>
              <th class="n">Traffic</th>
            </tr>
          </thead>
          <tbody>${links.map(({ a, b, roundTripMs, bytesPerS }) =>
            html`
              <tr key=${a + b}>
                <th scope="row">${names.get(a)} – ${names.get(b)}</th>
                <td class="n">${ms(roundTripMs)}</td>
                <td class="n">${bytesPerS === undefined ? "–" : `${bytes(bytesPerS)}/s`}</td>
              </tr>
            `
          )}</tbody>
        </table>
      </div>
    </section>
  `;
