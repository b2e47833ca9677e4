/**
 * Plan: which layers go where and why, what is idle and why, and what if something were different.
 *
 * @module
 */
import { json } from "../lib/api.js";
import { bytes, figure, layersText, ms, nodeNames } from "../lib/format.js";
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { usePoll } from "../lib/poll.js";
import { useWidth } from "../lib/use_width.js";
import { LayerStrip } from "./layer_strip.js";
import { changesOf, emptyWishes, WhatIfForm } from "./what_if.js";

/** Milliseconds after the last move of a slider before a plan is asked for. */
const PAUSE_MS = 150;
/** Milliseconds after which a plan is asked for again where the node makes others. */
const AGAIN_MS = 400;

/** See the module's text. @param {{say: (text: string) => void}} props */
export function Plan({ say }) {
  const { value: served, error: servedError } = usePoll("/api/plan", 5_000);
  const [wishes, setWishes] = useState(emptyWishes);
  const [base, setBase] = useState(/** @type {any} */ (undefined));
  const changes = changesOf(wishes, base);
  const tried = useTried(changes, served?.objective_s, setBase, say);
  const [box, width] = useWidth();
  const plan = served ?? base?.plan;
  const shown = changes ? tried.answer?.plan : undefined;
  return html`<div class="page" ref=${box}>
    <header><h1>Plan</h1><p class="muted">${
    plan
      ? html`<span class="mono">${plan.model}</span>, planned for ${plan.objective}: ${
        plan.gap === 0 ? "proven optimal" : `within ${(100 * plan.gap).toFixed(1)} % of the best`
      }, for what was measured.`
      : servedError?.message ?? "Asking the node …"
  }</p></header>
    ${plan && html`<${Figures} plan=${shown ? base.plan : plan} tried=${shown} />`}
    ${
    base && html`
      <section class="card what-if" aria-label="What if">
        <h2>What if</h2>
        <p class="muted">Move something, and the planner answers at once. Nothing is changed.</p>
        <${WhatIfForm} base=${base} wishes=${wishes} onChange=${setWishes} />
        <p class="told" role="status">${tried.busy
          ? "Planning …"
          : tried.error
          ? html`<span class="error">${tried.error.message}</span>`
          : shown
          ? difference(base.plan, shown)
          : ""}</p>
      </section>
    `
  }
    ${
    !base && tried.error &&
    html`<p class="notice">What if cannot be asked here: ${tried.error.message}</p>`
  }
    ${
    plan && html`
      <section class="card" aria-label="Stages">
        <h2>${shown ? "As it would be" : "As it serves"}</h2>
        <${Stages} plan=${shown ?? plan} width=${width} />
      </section>
      <${Reasons} plan=${shown ?? plan} />
    `
  }
  </div>`;
}

/**
 * The plan for the changes. The plan without any is asked for first, and again when another one
 * serves (`stamp` has changed), and given to `onBase`.
 */
function useTried(changes, stamp, onBase, say) {
  const [state, setState] = useState(/** @type {any} */ ({}));
  const key = JSON.stringify(changes ?? {});
  const first = useRef(true);
  useEffect(() => {
    first.current = true;
  }, [stamp]);
  useEffect(() => {
    if (!changes && !first.current) return setState({});
    const stop = new AbortController();
    setState((last) => ({ ...last, busy: !first.current }));
    const ask = async () => {
      try {
        const body = changes ?? {};
        const answer = await json("/api/plan", { body, signal: stop.signal, deadlineMs: 70_000 });
        if (!changes) {
          first.current = false;
          onBase(answer);
          setState({});
        } else {
          setState({ answer });
          say(`${figure(answer.plan.predicted.tokens_per_s)} tokens a second`);
        }
      } catch (error) {
        if (stop.signal.aborted) return;
        // Plans that nobody waits for any more may still be ending.
        if (error.code === "plan_running") timer = setTimeout(ask, AGAIN_MS);
        else setState({ error });
      }
    };
    let timer = setTimeout(ask, first.current ? 0 : PAUSE_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [key, stamp]);
  return state;
}

/** What the plan predicts, beside what the tried one does. */
function Figures({ plan, tried }) {
  const of = (/** @type {any} */ { predicted, objective_s }) => [
    ["first token", 1000 * predicted.ttft_s, ms, -1],
    ["then a token, plainly", 1000 * predicted.tpot_s, ms, -1],
    ["tokens/s, with drafts", predicted.tokens_per_s, figure, 1],
    ["objective", 1000 * objective_s, ms, -1],
  ];
  const now = of(plan);
  const then = tried && of(tried);
  return html`<dl class="figures">${
    now.map(([name, value, text, better], i) => {
      const other = then?.[i][1];
      const change = other === undefined ? 0 : (other / value - 1) * better;
      return html`
        <div key=${name}>
          <dt>${name}</dt>
          <dd>${text(other ?? value)}
                ${other !== undefined &&
                  html`<small data-good=${change >= 0}>${
                    Math.abs(other / value - 1) < 0.005
                      ? "as now"
                      : `${other > value ? "+" : "−"}${
                        Math.abs(100 * (other / value - 1)).toFixed(0)
                      } %, was ${text(value)}`
                  }</small>`}</dd>
        </div>
      `;
    })
  }</dl>`;
}

/** The tried plan in a sentence. */
function difference(plan, tried) {
  const text = ({ stages }) =>
    stages.map(({ host, first_layer, last_layer }) =>
      `${layersText(first_layer, last_layer)} on ${host}`
    ).join(", ");
  return text(plan) === text(tried)
    ? "The layers would stay where they are."
    : `It would run ${text(tried)}.`;
}

/** The layers by device, each with its reason. */
function Stages({ plan, width }) {
  const hosts = [
    plan.coordinator,
    ...plan.stages.map(({ host }) => host),
    ...plan.idle.map(({ host }) => host),
  ];
  const names = nodeNames([...new Set(hosts)]);
  const stages = plan.stages.map(({ host, first_layer, last_layer }) => ({
    node: host,
    first: first_layer,
    last: last_layer,
  }));
  return html`
    <${LayerStrip} stages=${stages} names=${names} width=${width} />
    <div class="scroll" tabindex="0" role="region" aria-label="Table of stages">
      <table>
        <thead>
          <tr>
            <th>Stage</th>
            <th>Node</th>
            <th>Layers</th>
            <th class="n">Weights</th>
            <th class="n">KV</th>
            <th class="n">A row</th>
            <th>Why</th>
          </tr>
        </thead>
        <tbody>${plan.stages.map((stage, i) =>
          html`
            <tr key=${i}>
              <td>${i}</td>
              <th scope="row">${names.get(stage.host)}</th>
              <td class="n">${stage.first_layer}–${stage.last_layer}</td>
              <td class="n">${bytes(stage.weight_bytes)}</td>
              <td class="n">${bytes(stage.kv_bytes)}</td>
              <td class="n">${ms(1000 * stage.seconds_per_row)}</td>
              <td>${stage.why}</td>
            </tr>
          `
        )}${plan.idle.map(({ host, why }) =>
          html`
            <tr key=${host} class="idle">
              <td>idle</td>
              <th scope="row">${names.get(host)}</th>
              <td></td>
              <td></td>
              <td></td>
              <td></td>
              <td>${why.replace(/^idle: /, "")}</td>
            </tr>
          `
        )}</tbody>
      </table>
    </div>
  `;
}

/** The other reasons. */
function Reasons({ plan }) {
  const { draft, wire, branches, bottleneck, solo, binding, backups, head, what_if } = plan;
  const rows = [
    ["Slowest part", `${bottleneck.what}: ${bottleneck.why}`],
    ["Drafts", draft.why],
    ["Branches", `${branches.in_flight} at once: ${branches.why}`],
    ["Hidden states", `${wire.format}: ${wire.why}`],
    ...(head
      ? [[
        "LM head",
        head.map(({ device, first_part, last_part }) =>
          `parts ${first_part}–${last_part} on ${device}`
        ).join(", "),
      ]]
      : []),
    ...(solo?.why ? [["One node", solo.why]] : []),
    ...binding.map((text) => ["Limit", text]),
    ...backups.map(({ first_layer, last_layer, host, why }) => [
      "If it dies",
      `${layersText(first_layer, last_layer)}: ${host ?? "nobody"}, ${why}`,
    ]),
  ];
  return html`
    <section class="card" aria-label="Reasons">
      <h2>Reasons</h2>
      <dl class="reasons">${rows.map(([name, text]) =>
        html`
          <div>
            <dt>${name}</dt>
            <dd>${text}</dd>
          </div>
        `
      )}</dl>
    </section>
        ${what_if.length > 0 && html`
          <section class="card" aria-label="What the planner tried">
            <h2>What the planner tried by itself</h2>
            <div class="scroll" tabindex="0" role="region" aria-label="Table of changes">
              <table>
                <thead>
                  <tr>
                    <th>Change</th>
                    <th class="n">First token</th>
                    <th class="n">Then each</th>
                    <th class="n">Tokens/s</th>
                  </tr>
                </thead>
                <tbody>${what_if.map(({ change, ttft_s, tpot_s, tokens_per_s }) =>
                  html`
                    <tr key=${change}>
                      <th scope="row">${change}</th>
                      <td class="n">${ms(1000 * ttft_s)}</td>
                      <td class="n">${ms(1000 * tpot_s)}</td>
                      <td class="n">${figure(tokens_per_s)}</td>
                    </tr>
                  `
                )}</tbody>
              </table>
            </div>
          </section>
        `}
  `;
}
